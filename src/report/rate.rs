//! Shares with their uncertainty.

/// A share of attempts with its 95 % confidence interval, each rounded to nine decimals so that every format and
/// machine says the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Observed share, 0 to 1.
    pub rate: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// `part` of `whole` with its Wilson score interval; `None` where `whole` is 0 or less than `part`.
///
/// ```
/// # use bouncesift::report::rate::wilson;
/// let r = wilson(10, 100).unwrap();
/// assert_eq!((r.rate, r.low, r.high), (0.1, 0.055229137, 0.174365662));
/// ```
pub fn wilson(part: u64, whole: u64) -> Option<Rate> {
    if whole == 0 || part > whole {
        return None;
    }
    const Z: f64 = 1.959_963_984_540_054;
    let n = whole as f64;
    let p = part as f64 / n;
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let (centre, scale) = (p + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
    // At the ends the formula gives 0 and 1 exactly, but floats do not.
    let low = if part == 0 { 0.0 } else { (centre - spread) / scale };
    let high = if part == whole { 1.0 } else { (centre + spread) / scale };
    Some(Rate { rate: rounded(p), low: rounded(low), high: rounded(high) })
}

fn rounded(x: f64) -> f64 {
    (x * 1e9).round() / 1e9
}
