//! The KV blocks of one set of weights: which lanes hold them, and which can be found again by their contents.
//!
//! A full block is registered under (its predecessor, adapter with its strength, its tokens), and the first one under the scope of its request in
//! place of a predecessor: equal prefixes of lanes and requests of one scope share blocks, and other scopes never find them.
//! The key holds the tokens themselves, not a hash of them, so two prompts can never be mistaken for each other. Blocks that no
//! lane holds keep their contents until the room is needed; the least recently used is evicted first.
//!
//! Where every layer of the weights has a window, lanes give back blocks that they have left behind. Those can be found like any other;
//! if one of them is evicted, what follows it cannot, and is discarded when its last holder gives it back.

use std::collections::{BTreeMap, HashMap};

use pad_model::BLOCK;

use crate::{Adaptation, CacheScope};

/// A place in the trees of registered prefixes, of which each scope has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// The empty prefix of a scope.
    Root(CacheScope),
    /// The prefix that ends with a registered block, by its number.
    Registered(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    parent: Prefix,
    adapter: Option<Adaptation>,
    tokens: [u32; BLOCK],
}

#[derive(Debug, Default)]
struct Slot {
    holders: u32,
    key: Option<Key>,
    /// Where the block stands among the unused ones.
    stamp: u64,
}

/// The blocks of one set of weights.
#[derive(Debug)]
pub struct BlockPool {
    /// The positions that a row may look back on, its own included; none if it may look back on all.
    window: Option<usize>,
    slots: Vec<Slot>,
    /// Unused blocks that hold nothing.
    empty: Vec<u32>,
    /// Unused blocks that hold a registered prefix, by the time of their last use.
    idle: BTreeMap<u64, u32>,
    registered: HashMap<Key, (Prefix, u32)>,
    clock: u64,
}

impl BlockPool {
    /// A pool of `blocks` empty blocks for weights with this window.
    pub fn new(blocks: usize, window: Option<usize>) -> Self {
        Self {
            window,
            slots: (0..blocks).map(|_| Slot::default()).collect(),
            empty: (0..blocks as u32).rev().collect(),
            idle: BTreeMap::new(),
            registered: HashMap::new(),
            clock: 0,
        }
    }

    /// The positions that a row may look back on, its own included; none if it may look back on all.
    pub fn window(&self) -> Option<usize> {
        self.window
    }

    /// Blocks in all.
    pub fn total(&self) -> usize {
        self.slots.len()
    }

    /// Blocks that can be allocated now.
    pub fn available(&self) -> usize {
        self.empty.len() + self.idle.len()
    }

    /// Blocks that lanes hold.
    pub fn used(&self) -> usize {
        self.total() - self.available()
    }

    /// Unused blocks that still hold a prefix.
    pub fn cached(&self) -> usize {
        self.idle.len()
    }

    /// Tokens of the longest prefix of `tokens` that registered blocks hold, at most `limit`.
    pub fn known(&self, root: Prefix, adapter: Option<&Adaptation>, tokens: &[u32], limit: usize) -> usize {
        self.matching(root, adapter, tokens, limit).count() * BLOCK
    }

    /// The registered blocks that hold the longest prefix of `tokens`, at most `limit` tokens of it, each with the prefix it ends.
    fn matching(
        &self,
        root: Prefix,
        adapter: Option<&Adaptation>,
        tokens: &[u32],
        limit: usize,
    ) -> impl Iterator<Item = (Prefix, u32)> {
        let chunks = tokens[..limit.min(tokens.len())].as_chunks::<BLOCK>().0.iter();
        chunks.scan(root, move |parent, tokens| {
            let key = Key { parent: *parent, adapter: adapter.cloned(), tokens: *tokens };
            let found = *self.registered.get(&key)?;
            *parent = found.0;
            Some(found)
        })
    }

    /// The registered blocks that hold the longest prefix of `tokens`, at most `limit` tokens of it; the caller holds them now.
    pub fn find(
        &mut self,
        root: Prefix,
        adapter: Option<&Adaptation>,
        tokens: &[u32],
        limit: usize,
    ) -> (Vec<u32>, Prefix) {
        let found: Vec<(Prefix, u32)> = self.matching(root, adapter, tokens, limit).collect();
        let blocks: Vec<u32> = found.iter().map(|(_, block)| *block).collect();
        blocks.iter().for_each(|block| self.hold(*block));
        (blocks, found.last().map_or(root, |(prefix, _)| *prefix))
    }

    fn hold(&mut self, block: u32) {
        let slot = &mut self.slots[block as usize];
        if slot.holders == 0 {
            self.idle.remove(&slot.stamp);
        }
        slot.holders += 1;
    }

    /// A block to write, held by the caller; the longest unused prefix is forgotten for it where none is empty.
    pub fn allocate(&mut self) -> Option<u32> {
        let block = self.empty.pop().or_else(|| self.forget_oldest())?;
        self.slots[block as usize].holders = 1;
        Some(block)
    }

    /// The longest unused block, emptied.
    fn forget_oldest(&mut self) -> Option<u32> {
        let (_, block) = self.idle.pop_first()?;
        if let Some(key) = self.slots[block as usize].key.take() {
            self.registered.remove(&key);
        }
        Some(block)
    }

    /// Register a full block under its predecessor; returns the prefix that it ends. If an equal block is registered already,
    /// that one stays and this one remains its holder's alone.
    pub fn register(
        &mut self,
        parent: Prefix,
        adapter: Option<&Adaptation>,
        tokens: [u32; BLOCK],
        block: u32,
    ) -> Prefix {
        let key = Key { parent, adapter: adapter.cloned(), tokens };
        if let Some(&(prefix, _)) = self.registered.get(&key) {
            return prefix;
        }
        self.clock += 1;
        let prefix = Prefix::Registered(self.clock);
        self.slots[block as usize].key = Some(key.clone());
        self.registered.insert(key, (prefix, block));
        prefix
    }

    /// Give blocks back. The last ones are forgotten before the first, which more prompts share.
    pub fn release(&mut self, blocks: &[u32]) {
        for &block in blocks.iter().rev() {
            let slot = &mut self.slots[block as usize];
            slot.holders -= 1;
            if slot.holders > 0 {
                continue;
            }
            if slot.key.is_some() {
                self.clock += 1;
                slot.stamp = self.clock;
                self.idle.insert(slot.stamp, block);
            } else {
                self.empty.push(block);
            }
        }
    }

    /// Give blocks back that cannot be found any more, because a predecessor is gone.
    pub fn discard(&mut self, blocks: &[u32]) {
        for &block in blocks {
            let slot = &mut self.slots[block as usize];
            if let Some(key) = slot.key.take_if(|_| slot.holders == 1) {
                self.registered.remove(&key);
            }
        }
        self.release(blocks);
    }
}

#[cfg(test)]
mod tests {
    use pad_model::Strength;

    use super::*;
    use crate::{AdapterId, Trunk};

    const ROOT: Prefix = Prefix::Root(CacheScope([0; 32]));

    fn adapted(adapter: usize, trunk: Trunk) -> Adaptation {
        Adaptation { adapter: AdapterId(adapter), strength: Strength::ONE, trunk }
    }

    fn tokens(seed: u32, blocks: usize) -> Vec<u32> {
        (0..(blocks * BLOCK) as u32).map(|i| seed + i).collect()
    }

    /// Allocate and register all blocks of a prompt.
    fn fill(pool: &mut BlockPool, adapter: Option<&Adaptation>, tokens: &[u32]) -> Vec<u32> {
        let (mut blocks, mut prefix) = pool.find(ROOT, adapter, tokens, tokens.len());
        for chunk in tokens.chunks_exact(BLOCK).skip(blocks.len()) {
            let block = pool.allocate().unwrap();
            prefix = pool.register(prefix, adapter, chunk.try_into().unwrap(), block);
            blocks.push(block);
        }
        blocks
    }

    #[test]
    fn equal_prefixes_share_blocks() {
        let mut pool = BlockPool::new(8, None);
        let a = fill(&mut pool, None, &tokens(0, 3));
        let (b, _) = pool.find(ROOT, None, &tokens(0, 3), 2 * BLOCK + 5);
        assert_eq!(b, a[..2]);
        assert_eq!(pool.used(), 3);
        pool.release(&a);
        assert_eq!((pool.used(), pool.cached()), (2, 1));
        pool.release(&b);
        assert_eq!((pool.used(), pool.cached(), pool.available()), (0, 3, 8));
        assert_eq!(pool.find(ROOT, None, &tokens(0, 3), usize::MAX).0, a);
    }

    #[test]
    fn adapters_and_predecessors_keep_prefixes_apart() {
        let mut pool = BlockPool::new(8, None);
        fill(&mut pool, Some(&adapted(0, Trunk::Own)), &tokens(0, 2));
        assert!(pool.find(ROOT, None, &tokens(0, 2), usize::MAX).0.is_empty());
        assert!(pool.find(ROOT, Some(&adapted(1, Trunk::Own)), &tokens(0, 2), usize::MAX).0.is_empty());
        // The blocks of a lane that branches off hold nothing of the layers below.
        assert!(pool.find(ROOT, Some(&adapted(0, Trunk::Base)), &tokens(0, 2), usize::MAX).0.is_empty());
        assert_eq!(pool.known(ROOT, Some(&adapted(0, Trunk::Own)), &tokens(0, 2), BLOCK + 1), BLOCK);
        // The second block's tokens alone are not a prefix.
        assert!(pool.find(ROOT, Some(&adapted(0, Trunk::Own)), &tokens(0, 2)[BLOCK..], usize::MAX).0.is_empty());
    }

    #[test]
    fn strengths_keep_prefixes_apart() {
        let mut pool = BlockPool::new(8, None);
        let at = |strength| Adaptation { strength, ..adapted(0, Trunk::Own) };
        let own = fill(&mut pool, Some(&at(Strength::mix(&[0.25, 0.75]))), &tokens(0, 2));
        let mut found = |strength| pool.find(ROOT, Some(&at(strength)), &tokens(0, 2), usize::MAX).0;
        assert_eq!(found(Strength::mix(&[0.25, 0.75])), own);
        let others = [&[0.75, 0.25][..], &[0.25], &[0.25, 0.75, 0.0], &[0.25, 0.750_000_1]].map(Strength::mix);
        for other in others.into_iter().chain([Strength::ONE, Strength::new(0.25)]) {
            assert_eq!(found(other.clone()), [0_u32; 0], "{other:?}");
        }
    }

    #[test]
    fn scopes_keep_equal_prompts_apart() {
        let mut pool = BlockPool::new(8, None);
        let own = fill(&mut pool, None, &tokens(0, 2));
        let other = Prefix::Root(CacheScope([1; 32]));
        assert_eq!(pool.known(ROOT, None, &tokens(0, 2), usize::MAX), 2 * BLOCK);
        assert_eq!(pool.known(other, None, &tokens(0, 2), usize::MAX), 0);
        assert_eq!(pool.find(other, None, &tokens(0, 2), usize::MAX), (Vec::new(), other));
        // Both register the same tokens, each for itself.
        let block = pool.allocate().unwrap();
        pool.register(other, None, tokens(0, 1).try_into().unwrap(), block);
        assert_eq!(pool.find(other, None, &tokens(0, 2), usize::MAX).0, [block]);
        assert_eq!(pool.find(ROOT, None, &tokens(0, 2), usize::MAX).0, own);
    }

    #[test]
    fn the_longest_unused_goes_first_and_tails_before_heads() {
        let mut pool = BlockPool::new(4, None);
        let (old, new) = (fill(&mut pool, None, &tokens(0, 2)), fill(&mut pool, None, &tokens(1000, 2)));
        pool.release(&old);
        pool.release(&new);
        assert_eq!(pool.allocate(), Some(old[1]));
        let (found, _) = pool.find(ROOT, None, &tokens(0, 2), usize::MAX);
        assert_eq!(found, [old[0]]);
        assert_eq!(pool.allocate(), Some(new[1]));
        assert_eq!(pool.allocate(), Some(new[0]));
        assert_eq!(pool.allocate(), None);
    }

    #[test]
    fn what_cannot_be_found_any_more_is_empty() {
        let mut pool = BlockPool::new(3, Some(16));
        let blocks = fill(&mut pool, None, &tokens(0, 3));
        pool.release(&blocks[..1]);
        assert_eq!(pool.allocate(), Some(blocks[0]), "evicted");
        pool.discard(&blocks[1..]);
        assert_eq!((pool.cached(), pool.available(), pool.registered.len()), (0, 2, 0));
        pool.discard(&blocks[..1]);
        let blocks = fill(&mut pool, None, &tokens(0, 2));
        pool.find(ROOT, None, &tokens(0, 2), usize::MAX);
        pool.discard(&blocks);
        assert_eq!((pool.used(), pool.registered.len()), (2, 2), "another lane holds them");
    }

    #[test]
    fn a_twin_of_a_registered_block_stays_its_holders_own() {
        let mut pool = BlockPool::new(4, None);
        let first = fill(&mut pool, None, &tokens(0, 1));
        let own = pool.allocate().unwrap();
        let prefix = pool.register(ROOT, None, tokens(0, 1).try_into().unwrap(), own);
        assert_eq!(pool.find(ROOT, None, &tokens(0, 1), usize::MAX), (first.clone(), prefix));
        pool.release(&[own]);
        assert_eq!(pool.cached(), 0);
        pool.release(&first);
        pool.release(&first);
        assert_eq!((pool.cached(), pool.used()), (1, 0));
    }
}
