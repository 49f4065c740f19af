//! Messages as RFC 5322 and MIME describe them, read in place: header fields, parts, decoded text.
//!
//! Nothing here knows what a bounce is.
