//! SMTP replies: reply codes (RFC 5321), enhanced status codes (RFC 3463), and both found in a reply text.

mod enhanced_status;
mod inner;
mod locate;
mod reply;
mod reply_code;

pub use enhanced_status::EnhancedStatus;
pub use inner::inner_reply;
pub use locate::locate_reply;
pub use reply::{Reply, StatusPlace, parse_reply};
pub use reply_code::ReplyCode;
