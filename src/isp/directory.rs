//! The directory of receiving ISPs and filter vendors, and the ladder that asks it.

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

use super::name::{self, NameBuf, Named};
use super::signature::Signature;
use super::suffix::SuffixMap;
use super::table::{self, FilterRow, IspRow, Place, Placed, Table, TableError};
use super::text::{Said, Speaker, TextIndex};
use super::{Attribution, Clues, FilterId, Isp, IspBasis, IspId};

/// Whose signature it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Isp(IspId),
    Filter(FilterId),
}

/// Who runs which hosts, domains and reply codes. Immutable; share one among all threads.
pub struct Directory {
    isps: Vec<IspRow>,
    filters: Vec<FilterRow>,
    isp_slugs: HashMap<String, IspId, foldhash::fast::RandomState>,
    filter_slugs: HashMap<String, FilterId, foldhash::fast::RandomState>,
    hosts: SuffixMap<IspId>,
    recipients: SuffixMap<IspId>,
    filter_hosts: SuffixMap<FilterId>,
    signatures: Vec<(Signature, Owner)>,
    text: OnceLock<Option<TextIndex>>,
}

impl Directory {
    /// The tables that come with the program.
    #[allow(clippy::expect_used, reason = "the tables are compiled in, and a test loads them")]
    pub fn builtin() -> Self {
        Self::from_tables(&[Self::builtin_isps()], &[Self::builtin_filters()]).expect("the built-in tables are sound")
    }

    /// The built-in `isps.csv`, to stand last in [`Directory::from_tables`].
    pub fn builtin_isps() -> Table<'static> {
        Table { name: "isps.csv", csv: include_str!("../tables/isps.csv") }
    }

    /// The built-in `filters.csv`, to stand last in [`Directory::from_tables`].
    pub fn builtin_filters() -> Table<'static> {
        Table { name: "filters.csv", csv: include_str!("../tables/filters.csv") }
    }

    /// Reads tables; an earlier one is asked before a later one: a suffix or signature in both belongs to the earlier.
    /// A slug of an earlier table that comes again adds to that row what the later row knows beyond it. Ids number
    /// the rows in the order given, without those that come again.
    ///
    /// # Errors
    ///
    /// Names table, line and problem: broken CSV, unknown or missing columns, a row without slug, sample or source,
    /// a suffix that is no domain name, or a slug, suffix or signature that stands twice in one table.
    pub fn from_tables(isps: &[Table<'_>], filters: &[Table<'_>]) -> Result<Self, TableError> {
        let mut builder = Builder::default();
        for table in isps {
            builder.add_isps(table::read(*table)?)?;
            builder.table += 1;
        }
        for table in filters {
            builder.add_filters(table::read(*table)?)?;
            builder.table += 1;
        }
        Ok(builder.finish())
    }

    /// The row of an id this directory gave.
    ///
    /// # Panics
    ///
    /// With an id of another directory.
    pub fn isp(&self, id: IspId) -> &IspRow {
        &self.isps[usize::from(id.0)]
    }

    /// The row of an id this directory gave.
    ///
    /// # Panics
    ///
    /// With an id of another directory.
    pub fn filter(&self, id: FilterId) -> &FilterRow {
        &self.filters[usize::from(id.0)]
    }

    /// The provider with this slug; `None` if there is none.
    pub fn isp_by_slug(&self, slug: &str) -> Option<IspId> {
        self.isp_slugs.get(slug).copied()
    }

    /// The filter vendor with this slug; `None` if there is none.
    pub fn filter_by_slug(&self, slug: &str) -> Option<FilterId> {
        self.filter_slugs.get(slug).copied()
    }

    /// Providers in the order of their ids.
    pub fn isps(&self) -> impl ExactSizeIterator<Item = (IspId, &IspRow)> {
        self.isps.iter().enumerate().map(|(at, row)| (IspId(at as u16), row))
    }

    /// Filter vendors in the order of their ids.
    pub fn filters(&self) -> impl ExactSizeIterator<Item = (FilterId, &FilterRow)> {
        self.filters.iter().enumerate().map(|(at, row)| (FilterId(at as u16), row))
    }

    /// Number of providers.
    pub fn len(&self) -> usize {
        self.isps.len()
    }

    /// Whether there is no provider.
    pub fn is_empty(&self) -> bool {
        self.isps.is_empty()
    }

    /// The receiving ISP and the filter vendor. The ladder for the ISP, with [`IspBasis`] telling the step:
    ///
    /// 1. A named host decides, by the table or else by its registrable domain, whatever the recipient's domain is:
    ///    a third server spoke. A name that the DNS could not hold is [`Isp::Unknown`]. A name without a dot, or
    ///    below `.local` or `.lan`, is a host too: its [`Isp::Domain`] is the name itself, or its last two labels.
    ///    So is a public suffix.
    /// 2. Where no host is named (none, an address, `unknown`, `none`, `localhost`, `local`): the recipient's domain,
    ///    by the table.
    /// 3. The text: who it names, by the table, or the host of a frame (`host X[..] said:`) by its registrable domain.
    /// 4. The recipient's registrable domain.
    /// 5. [`Isp::AddressLiteral`] where the recipient's domain, or else the host, is an address, with
    ///    [`IspBasis::None`].
    ///
    /// The filter vendor is the one whose host spoke, else one that the text names.
    ///
    /// # Complexity
    ///
    /// Without text, a few hash look-ups; an unknown host also allocates its domain. With text, one search through
    /// it (at most its first 16 KiB): keep the answer for equal clues.
    ///
    /// ```
    /// use bouncesift::isp::{Clues, Directory, Isp, IspBasis};
    ///
    /// let directory = Directory::builtin();
    /// let said = directory.attribute(&Clues {
    ///     remote_mta: Some(b"gmail-smtp-in.l.google.com"),
    ///     recipient_domain: Some(b"example.org"),
    ///     ..Clues::default()
    /// });
    /// assert_eq!(said.isp, Isp::Known(directory.isp_by_slug("google").unwrap()));
    /// assert_eq!(said.basis, IspBasis::RemoteHost);
    /// ```
    pub fn attribute(&self, clues: &Clues<'_>) -> Attribution {
        let mut buf = NameBuf::new();
        let host = clues.remote_mta.map_or(Named::Nothing, |raw| name::read(raw, &mut buf));
        match host {
            Named::Name(host) => {
                let filter = self.filter_of_host(host).or_else(|| self.filter_in_text(clues.text));
                let (isp, basis) = match self.hosts.longest(host) {
                    Some(id) => (Isp::Known(id), IspBasis::RemoteHost),
                    None => (registrable(host), IspBasis::RemoteHostDomain),
                };
                Attribution { isp, basis, filter }
            }
            Named::Invalid => {
                Attribution { isp: Isp::Unknown, basis: IspBasis::None, filter: self.filter_in_text(clues.text) }
            }
            Named::Literal => self.attribute_unnamed(clues, true),
            Named::Nothing => self.attribute_unnamed(clues, clues.remote_ip.is_some_and(|ip| !ip.is_empty())),
        }
    }

    fn attribute_unnamed(&self, clues: &Clues<'_>, has_address: bool) -> Attribution {
        let mut buf = NameBuf::new();
        let recipient = clues.recipient_domain.map_or(Named::Nothing, |raw| name::read_recipient(raw, &mut buf));
        let known = match recipient {
            Named::Name(domain) => self.recipients.longest(domain),
            _ => None,
        };
        let has_recipient = recipient != Named::Nothing;
        let said = clues.text.map_or(Said::default(), |text| self.read_text(text, known.is_none(), has_recipient));
        let (isp, basis) = match (known, said.isp, recipient) {
            (Some(id), _, _) => (Isp::Known(id), IspBasis::RecipientDomain),
            (None, Some(speaker), _) => (speaker_isp(speaker), IspBasis::Text),
            (None, None, Named::Name(domain)) => (registrable(domain), IspBasis::RecipientRegistrableDomain),
            (None, None, Named::Literal) => (Isp::AddressLiteral, IspBasis::None),
            (None, None, Named::Nothing) if has_address => (Isp::AddressLiteral, IspBasis::None),
            _ => (Isp::Unknown, IspBasis::None),
        };
        Attribution { isp, basis, filter: said.filter }
    }

    pub(crate) fn host_owner(&self, host: &[u8]) -> Option<IspId> {
        self.hosts.longest(host)
    }

    pub(crate) fn recipient_owner(&self, domain: &[u8]) -> Option<IspId> {
        self.recipients.longest(domain)
    }

    pub(crate) fn filter_of_host(&self, host: &[u8]) -> Option<FilterId> {
        self.filter_hosts.longest(host)
    }

    pub(crate) fn signatures(&self) -> &[(Signature, Owner)] {
        &self.signatures
    }

    pub(crate) fn text_index(&self) -> Option<&TextIndex> {
        let build = || TextIndex::new(self.signatures.iter().map(|(signature, _)| signature.literal()));
        self.text.get_or_init(build).as_ref()
    }

    fn filter_in_text(&self, text: Option<&[u8]>) -> Option<FilterId> {
        self.read_text(text?, false, true).filter
    }
}

/// The registrable domain of a clean name; the name itself where it has none.
fn registrable(name: &[u8]) -> Isp {
    let domain = psl::domain(name);
    let bytes = domain.as_ref().map_or(name, psl::Domain::as_bytes);
    std::str::from_utf8(bytes).map_or(Isp::Unknown, |text| Isp::Domain(Arc::from(text)))
}

fn speaker_isp(speaker: Speaker<'_>) -> Isp {
    match speaker {
        Speaker::Known(id) => Isp::Known(id),
        Speaker::Host(raw) => match name::read(raw, &mut NameBuf::new()) {
            Named::Name(host) => registrable(host),
            _ => Isp::Unknown,
        },
    }
}

/// A directory under construction: what is taken, and by which row.
#[derive(Default)]
struct Builder {
    isps: Vec<IspRow>,
    filters: Vec<FilterRow>,
    taken: HashMap<(Column, String), Claim, foldhash::fast::RandomState>,
    /// Number of the table that is read: two tables may have the same name.
    table: usize,
    hosts: Vec<(String, IspId)>,
    recipients: Vec<(String, IspId)>,
    filter_hosts: Vec<(String, FilterId)>,
    signatures: Vec<(Signature, Owner)>,
}

/// Who has a value, and by which row.
struct Claim {
    owner: Owner,
    table: usize,
    line: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Column {
    IspSlug,
    FilterSlug,
    Host,
    Recipient,
    FilterHost,
    IspSignature,
    FilterSignature,
}

impl Builder {
    fn add_isps(&mut self, rows: Vec<Placed<IspRow>>) -> Result<(), TableError> {
        for Placed { row, signatures, place } in rows {
            let fresh = IspId(next_id(self.isps.len(), &place)?);
            let id = match self.take(Column::IspSlug, &row.slug, Owner::Isp(fresh), &place)? {
                Some(Owner::Isp(earlier)) => earlier,
                _ => fresh,
            };
            for suffix in &row.mx_suffixes {
                if self.take(Column::Host, suffix, Owner::Isp(id), &place)?.is_none() {
                    self.hosts.push((suffix.clone(), id));
                }
            }
            for domain in &row.recipient_domains {
                if self.take(Column::Recipient, domain, Owner::Isp(id), &place)?.is_none() {
                    self.recipients.push((domain.clone(), id));
                }
            }
            self.add_signatures(Column::IspSignature, &row.text_signatures, signatures, Owner::Isp(id), &place)?;
            match self.isps.get_mut(usize::from(id.0)) {
                Some(earlier) => extend_isp(earlier, row),
                None => self.isps.push(row),
            }
        }
        Ok(())
    }

    fn add_filters(&mut self, rows: Vec<Placed<FilterRow>>) -> Result<(), TableError> {
        for Placed { row, signatures, place } in rows {
            let fresh = FilterId(next_id(self.filters.len(), &place)?);
            let id = match self.take(Column::FilterSlug, &row.slug, Owner::Filter(fresh), &place)? {
                Some(Owner::Filter(earlier)) => earlier,
                _ => fresh,
            };
            for suffix in &row.host_suffixes {
                if self.take(Column::FilterHost, suffix, Owner::Filter(id), &place)?.is_none() {
                    self.filter_hosts.push((suffix.clone(), id));
                }
            }
            self.add_signatures(Column::FilterSignature, &row.text_signatures, signatures, Owner::Filter(id), &place)?;
            match self.filters.get_mut(usize::from(id.0)) {
                Some(earlier) => extend_filter(earlier, row),
                None => self.filters.push(row),
            }
        }
        Ok(())
    }

    fn add_signatures(
        &mut self,
        column: Column,
        written: &[String],
        checked: Vec<Signature>,
        owner: Owner,
        place: &Place,
    ) -> Result<(), TableError> {
        for (text, signature) in written.iter().zip(checked) {
            if self.take(column, &text.to_ascii_lowercase(), owner, place)?.is_none() {
                self.signatures.push((signature, owner));
            }
        }
        Ok(())
    }

    /// Claims a value. `Some` is the owner by an earlier table.
    fn take(&mut self, column: Column, value: &str, owner: Owner, place: &Place) -> Result<Option<Owner>, TableError> {
        let key = (column, value.to_owned());
        match self.taken.get(&key) {
            Some(earlier) if earlier.table == self.table => {
                Err(place.error(format!("`{value}` stands already on line {}", earlier.line)))
            }
            Some(earlier) => Ok(Some(earlier.owner)),
            None => {
                self.taken.insert(key, Claim { owner, table: self.table, line: place.line });
                Ok(None)
            }
        }
    }

    fn finish(self) -> Directory {
        let slugs = self.isps.iter().enumerate().map(|(at, row)| (row.slug.clone(), IspId(at as u16)));
        let filter_slugs = self.filters.iter().enumerate().map(|(at, row)| (row.slug.clone(), FilterId(at as u16)));
        Directory {
            isp_slugs: slugs.collect(),
            filter_slugs: filter_slugs.collect(),
            hosts: suffixes(&self.hosts),
            recipients: suffixes(&self.recipients),
            filter_hosts: suffixes(&self.filter_hosts),
            signatures: self.signatures,
            text: OnceLock::new(),
            isps: self.isps,
            filters: self.filters,
        }
    }
}

fn suffixes<T: Copy>(pairs: &[(String, T)]) -> SuffixMap<T> {
    let mut map = SuffixMap::new();
    for (suffix, owner) in pairs {
        map.insert(suffix.as_bytes(), *owner);
    }
    map
}

fn next_id(rows: usize, place: &Place) -> Result<u16, TableError> {
    u16::try_from(rows).map_err(|_| place.error("more rows than ids: at most 65,536".to_owned()))
}

fn extend_isp(earlier: &mut IspRow, later: IspRow) {
    extend(&mut earlier.mx_suffixes, later.mx_suffixes);
    extend(&mut earlier.recipient_domains, later.recipient_domains);
    extend(&mut earlier.text_signatures, later.text_signatures);
    earlier.country = earlier.country.take().or(later.country);
    earlier.postmaster_url = earlier.postmaster_url.take().or(later.postmaster_url);
    earlier.delisting_url = earlier.delisting_url.take().or(later.delisting_url);
    earlier.contact = earlier.contact.take().or(later.contact);
}

fn extend_filter(earlier: &mut FilterRow, later: FilterRow) {
    extend(&mut earlier.host_suffixes, later.host_suffixes);
    extend(&mut earlier.text_signatures, later.text_signatures);
    earlier.country = earlier.country.take().or(later.country);
    earlier.postmaster_url = earlier.postmaster_url.take().or(later.postmaster_url);
    earlier.delisting_url = earlier.delisting_url.take().or(later.delisting_url);
}

fn extend(earlier: &mut Vec<String>, later: Vec<String>) {
    for value in later {
        if !earlier.contains(&value) {
            earlier.push(value);
        }
    }
}
