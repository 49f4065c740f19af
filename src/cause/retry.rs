//! Whether sending the same message again can help: the one place where the table's value meets the reply.
//!
//! | table \ reply | 4yz, the sender's or recipient's to put right | 4yz, the receiver's or the path's | 5yz | none |
//! |---|---|---|---|---|
//! | yes | yes | yes | maybe | yes |
//! | maybe | maybe | yes | maybe | maybe |
//! | no | maybe | yes | no | no |
//!
//! 4yz says "try again" (RFC 5321, section 4.2.1): it helps where something is put right while the message is queued.
//! 5yz says "do not repeat this", whatever the words promise; the queue does not, but a message sent anew may pass.

use super::{CauseId, Party, Retry};
use crate::smtp::{EnhancedStatus, ReplyCode};

/// Whether a retry can help. The reply code decides what class the reply is of; where it has none, the status code.
pub fn retry_helps(cause: CauseId, code: Option<ReplyCode>, status: Option<EnhancedStatus>) -> Retry {
    let row = cause.row();
    let class = code.map(ReplyCode::class).or(status.map(|status| status.class));
    let others = matches!(row.responsible, Party::Receiver | Party::Path);
    match (class, row.retry_helps) {
        (Some(4), Retry::Yes) => Retry::Yes,
        (Some(4), Retry::No | Retry::Maybe) => {
            if others {
                Retry::Yes
            } else {
                Retry::Maybe
            }
        }
        (Some(5), Retry::Yes) => Retry::Maybe,
        (_, stated) => stated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_the_reply_bends_the_table() {
        let helps = |cause: &str, code: Option<u16>, status: &str| {
            let cause = CauseId::by_name(cause).unwrap_or_else(|| unreachable!("{cause}"));
            retry_helps(cause, code.and_then(ReplyCode::new), EnhancedStatus::exact(status.as_bytes())).as_str()
        };
        assert_eq!(helps("spf_fail", Some(550), ""), "no");
        assert_eq!(helps("spf_fail", Some(451), ""), "maybe");
        assert_eq!(helps("spf_fail", None, "4.7.24"), "maybe");
        assert_eq!(helps("greylisted", Some(450), ""), "yes");
        assert_eq!(helps("rate_limited", Some(554), "4.7.0"), "maybe");
        assert_eq!(helps("rate_limited", None, ""), "yes");
        assert_eq!(helps("access_denied", Some(451), ""), "yes");
        assert_eq!(helps("access_denied", Some(550), ""), "maybe");
    }
}
