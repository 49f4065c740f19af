//! Who refused: the receiving ISP, and apart from it the filter vendor.

mod check;
mod directory;
mod name;
mod signature;
mod suffix;
mod table;
mod text;

use std::sync::Arc;

pub use check::LostSample;
pub use directory::Directory;
pub use table::{FilterRow, IspKind, IspRow, Table, TableError};

/// Row of `tables/isps.csv`, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IspId(pub u16);

/// Row of `tables/filters.csv`, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterId(pub u16);

/// The receiving ISP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isp {
    /// One of the table.
    Known(IspId),
    /// None of the table: the registrable domain (public suffix list) of the host or of the recipient, as a
    /// lower-case A-label without trailing dot.
    Domain(Arc<str>),
    /// The recipient's domain, or the only host named, is an address literal.
    AddressLiteral,
    /// Nothing names one.
    Unknown,
}

/// Which clue named the ISP, in the order they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IspBasis {
    /// The host that spoke, by the table.
    RemoteHost,
    /// The host that spoke, by its registrable domain.
    RemoteHostDomain,
    /// The recipient's domain, by the table.
    RecipientDomain,
    /// A token or host name in the reply.
    Text,
    /// The recipient's registrable domain.
    RecipientRegistrableDomain,
    /// None did.
    None,
}

impl IspBasis {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            IspBasis::RemoteHost => "remote_host",
            IspBasis::RemoteHostDomain => "remote_host_domain",
            IspBasis::RecipientDomain => "recipient_domain",
            IspBasis::Text => "text",
            IspBasis::RecipientRegistrableDomain => "recipient_registrable_domain",
            IspBasis::None => "none",
        }
    }
}

/// What is known of a refusal's other side. Bytes as written; `None` where the input does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clues<'a> {
    /// Host name of the server that spoke; may be an address literal.
    pub remote_mta: Option<&'a [u8]>,
    /// Its address.
    pub remote_ip: Option<&'a [u8]>,
    /// Domain of the recipient.
    pub recipient_domain: Option<&'a [u8]>,
    /// The reply text.
    pub text: Option<&'a [u8]>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// The receiving ISP.
    pub isp: Isp,
    /// How it was known.
    pub basis: IspBasis,
    /// The filter vendor whose host spoke, apart from the ISP.
    pub filter: Option<FilterId>,
}
