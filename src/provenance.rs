//! Where a piece of input stands: every record and report row can be traced to one span of one file.

/// Index of an input in the run's list of inputs, from 0, in the order of that list (sorted by path).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A span of bytes of one input, as they are on disk (or as they came on standard input).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provenance {
    /// The input.
    pub file: FileId,
    /// Length of the span in bytes, line end not included.
    pub len: u32,
    /// Offset of the first byte, from 0.
    pub offset: u64,
}
