//! The bases: the parts of the address space that can have a host name and an origin list of their own.

/// A product's part of the address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Base {
    /// Plinth's own API at `/v1`, and the dashboard.
    Api,
    Context,
    Dream,
    Relay,
    Embed,
    Forms,
}

impl Base {
    pub const ALL: [Base; 6] = [
        Base::Api,
        Base::Context,
        Base::Dream,
        Base::Relay,
        Base::Embed,
        Base::Forms,
    ];

    /// Path prefix under the public address.
    pub const fn path(self) -> &'static str {
        match self {
            Base::Api => "/v1",
            Base::Context => "/context",
            Base::Dream => "/dream",
            Base::Relay => "/relay",
            Base::Embed => "/embed",
            Base::Forms => "/forms",
        }
    }
}
