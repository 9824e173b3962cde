//! To whom a request belongs: whose share of the queue it uses, and whose cached blocks it finds.

/// The sender of requests, identified by a digest of their secret: all requests of one owner wait in one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(pub [u8; 32]);

/// Which cached KV blocks a request finds: those that requests of the same scope left. Requests without a scope share the
/// default one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CacheScope(pub [u8; 32]);

/// Whose a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tenant {
    /// Who sent it; none if senders are not distinguished, and the queue is first come, first served.
    pub owner: Option<Owner>,
    /// Whose cached blocks it finds, and who finds its own.
    pub cache: CacheScope,
}
