//! Places for connections: a bounded number, some of them spare; the connection that is idle longest is closed for a new one.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many connections may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections that are served everything.
    pub regular: usize,
    /// Connections beyond them, which are served the operational routes only.
    pub spare: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { regular: 1024, spare: 16 }
    }
}

/// All places. A connection is idle while no request of it is being answered: between requests, while a head or a handshake is
/// awaited. The connection that is idle longest is closed when a place is needed.
pub(crate) struct Places {
    limits: ConnectionLimits,
    taken: Mutex<Taken>,
    /// A place was given back.
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    /// Names of connections, and the order in which they became idle.
    counter: u64,
    connections: HashMap<u64, Connection>,
    /// How many of them have spare places.
    spares: usize,
    /// Name of each idle connection by when it became idle.
    idle: BTreeMap<u64, u64>,
    /// Connections are closed as soon as they are idle.
    closing: bool,
}

struct Connection {
    /// What keeps it from being idle: requests that are being answered, bytes that the client does not take.
    busy: usize,
    spare: bool,
    idle_since: Option<u64>,
    /// It has to go.
    evicted: bool,
    /// Wakes the connection when it has to go.
    close: Arc<Notify>,
}

/// One connection's place, given back when dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    name: u64,
    close: Arc<Notify>,
    spare: bool,
    answering: AtomicBool,
}

/// Keeps its connection from being idle.
pub(crate) struct Busy(Arc<Place>);

/// Keeps its connection from being idle, from a request's head to the last of its answer.
pub(crate) struct Answering(Busy);

impl Places {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        let limits = ConnectionLimits { regular: limits.regular.max(1), ..limits };
        Arc::new(Self { limits, taken: Mutex::default(), freed: Notify::new() })
    }

    /// A place for a new connection. Where all are taken the longest idle connection is closed; where none is idle, the place is a
    /// spare one; where those are taken too, it waits.
    pub(crate) async fn take(self: &Arc<Self>) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.try_take() {
                return place;
            }
            freed.await;
        }
    }

    fn try_take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.lock();
        let (open, spares) = (taken.connections.len(), taken.spares);
        let full = open - spares >= self.limits.regular;
        let spare = full && !taken.evict_longest_idle(Some(false));
        if spare && spares >= self.limits.spare {
            taken.evict_longest_idle(Some(true));
            return None;
        }
        // Those that were asked to go are still there for a moment.
        if open >= self.limits.regular + self.limits.spare {
            return None;
        }
        let name = taken.next();
        let close = Arc::new(Notify::new());
        let connection = Connection { busy: 0, spare, idle_since: None, evicted: false, close: Arc::clone(&close) };
        taken.connections.insert(name, connection);
        taken.spares += usize::from(spare);
        taken.settle(name);
        Some(Place { places: Arc::clone(self), name, close, spare, answering: AtomicBool::new(false) })
    }

    /// Close the connection that is idle for the longest; whether there is one.
    pub(crate) fn evict_longest_idle(&self) -> bool {
        self.lock().evict_longest_idle(None)
    }

    /// Close all idle connections, and the others as soon as they are idle.
    pub(crate) fn close(&self) {
        let mut taken = self.lock();
        taken.closing = true;
        while taken.evict_longest_idle(None) {}
        // Those that are busy announce the end with their answers.
        taken.connections.values().for_each(|connection| connection.close.notify_one());
    }

    /// Resolves when no connection is open.
    pub(crate) async fn empty(&self) {
        loop {
            let freed = self.freed.notified();
            if self.lock().connections.is_empty() {
                return;
            }
            freed.await;
        }
    }

    /// Connections that are not idle.
    pub(crate) fn busy(&self) -> usize {
        self.lock().connections.values().filter(|connection| connection.busy > 0).count()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Among the spare places, the regular ones, or all.
    fn evict_longest_idle(&mut self, spare: Option<bool>) -> bool {
        let fits = |name: &u64| spare.is_none_or(|spare| self.connections.get(name).is_some_and(|c| c.spare == spare));
        let Some((&since, &name)) = self.idle.iter().find(|(_, name)| fits(name)) else { return false };
        self.idle.remove(&since);
        if let Some(connection) = self.connections.get_mut(&name) {
            connection.idle_since = None;
            connection.evicted = true;
            connection.close.notify_one();
        }
        true
    }

    /// Put a connection where it belongs after a change: among the idle ones, or not.
    fn settle(&mut self, name: u64) {
        let now = self.next();
        let closing = self.closing;
        let Some(connection) = self.connections.get_mut(&name) else { return };
        if let Some(since) = connection.idle_since.take() {
            self.idle.remove(&since);
        }
        if connection.busy > 0 {
            // A request that came just before its connection was to go is answered.
            connection.evicted = false;
        } else if closing {
            connection.evicted = true;
            connection.close.notify_one();
        } else {
            connection.idle_since = Some(now);
            self.idle.insert(now, name);
        }
    }
}

/// What a connection is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// End now: it is idle.
    End,
    /// End with the answer that is being given.
    EndSoon,
}

impl Place {
    /// Whether only the operational routes are served.
    pub(crate) fn spare(&self) -> bool {
        self.spare
    }

    /// Not idle as long as the result lives.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.change(|busy| busy + 1);
        Busy(Arc::clone(self))
    }

    /// The same for a request: a connection answers one after the other.
    pub(crate) fn answer(self: &Arc<Self>) -> Answering {
        self.answering.store(true, Ordering::Relaxed);
        Answering(self.busy())
    }

    /// Whether a request is being answered.
    pub(crate) fn answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed)
    }

    /// Resolves when the connection is asked to end.
    pub(crate) async fn asked_to_end(&self) -> Ask {
        loop {
            self.close.notified().await;
            let taken = self.places.lock();
            match taken.connections.get(&self.name) {
                Some(connection) if !connection.evicted && taken.closing => return Ask::EndSoon,
                Some(connection) if !connection.evicted => {}
                _ => return Ask::End,
            }
        }
    }

    /// Resolves when the connection has to end now.
    pub(crate) async fn told_to_end(&self) {
        while self.asked_to_end().await == Ask::EndSoon {}
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) {
        let mut taken = self.places.lock();
        if let Some(connection) = taken.connections.get_mut(&self.name) {
            connection.busy = change(connection.busy);
        }
        taken.settle(self.name);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(|busy| busy.saturating_sub(1));
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.answering.store(false, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.spares -= usize::from(self.spare);
        if let Some(since) = taken.connections.remove(&self.name).and_then(|connection| connection.idle_since) {
            taken.idle.remove(&since);
        }
        drop(taken);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn places(regular: usize, spare: usize) -> Arc<Places> {
        Places::new(ConnectionLimits { regular, spare })
    }

    fn take(places: &Arc<Places>) -> Option<Arc<Place>> {
        places.take().now_or_never().map(Arc::new)
    }

    fn asked(place: &Place) -> Option<Ask> {
        place.asked_to_end().now_or_never()
    }

    #[test]
    fn the_longest_idle_gives_way() {
        let places = places(2, 1);
        let (first, second) = (take(&places).expect("free"), take(&places).expect("free"));
        // A request makes the first the younger one.
        drop(first.busy());
        let third = take(&places).expect("the second's");
        assert_eq!((asked(&first), asked(&second)), (None, Some(Ask::End)));
        assert!(!third.spare());
        drop(second);
        let _fourth = take(&places).expect("the first's");
        assert_eq!((asked(&first), asked(&third)), (Some(Ask::End), None));
    }

    #[test]
    fn where_nobody_is_idle_places_are_spare_and_then_none() {
        let places = places(1, 1);
        let first = take(&places).expect("free");
        let busy = first.busy();
        let spare = take(&places).expect("a spare one");
        assert!(spare.spare() && !first.spare());
        assert!(take(&places).is_none(), "it waits for the spare one, which is asked to go");
        assert_eq!((asked(&spare), asked(&first)), (Some(Ask::End), None));
        drop(spare);
        let spare = take(&places).expect("free again");
        let _busy = spare.busy();
        assert!(take(&places).is_none());
        assert_eq!(asked(&spare), None);
        drop((busy, first));
        assert!(take(&places).is_some_and(|place| !place.spare()));
    }

    #[test]
    fn a_request_that_comes_first_is_answered() {
        let places = places(1, 1);
        let first = take(&places).expect("free");
        let _second = take(&places).expect("the first's");
        let busy = first.busy();
        assert_eq!(asked(&first), None, "it is no longer idle");
        drop(busy);
        assert_eq!(asked(&first), None, "nor is it asked twice");
    }

    #[test]
    fn closing_waits_for_answers_only() {
        let places = places(4, 1);
        let (idle, answering) = (take(&places).expect("free"), take(&places).expect("free"));
        let busy = answering.busy();
        places.close();
        assert_eq!((asked(&idle), asked(&answering)), (Some(Ask::End), Some(Ask::EndSoon)));
        drop(busy);
        assert_eq!(asked(&answering), Some(Ask::End));
        assert!(places.empty().now_or_never().is_none());
        drop((idle, answering));
        assert!(places.empty().now_or_never().is_some());
    }
}
