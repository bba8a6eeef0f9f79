//! Reviewed: mutants that no test can kill, because the statement reaches the same rows without the predicate.

/// One of them, and why.
pub struct Equivalent {
    pub mutant: &'static str,
    pub reason: &'static str,
}

pub const EQUIVALENT: &[Equivalent] = &[Equivalent {
    // UPDATE api_keys SET last_used_at = $3 WHERE workspace_id = $1 AND api_key_id = $2 …
    mutant: "5295ebe2.0",
    reason: "Both values come from the row by which the key was authenticated, which is looked up by its id alone: the unique \
             index api_keys_id says that there is one such row.",
}];
