//! Reviewed: mutants that no test can kill, because the statement reaches the same rows without the predicate.

/// One of them, and why.
pub struct Equivalent {
    pub mutant: &'static str,
    pub reason: &'static str,
}

pub const EQUIVALENT: &[Equivalent] = &[];
