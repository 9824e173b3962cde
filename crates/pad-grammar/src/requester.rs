//! Who asks for a grammar.

/// Whose request a grammar is for. The default one is everybody's, if requests are not distinguished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Requester {
    /// The sender. One sender cannot occupy all threads that compile while there are others. None if senders are not distinguished.
    pub owner: Option<[u8; 32]>,
    /// Compiled grammars are cached per scope: how fast an answer begins shows to no scope what another one has sent.
    pub scope: [u8; 32],
}
