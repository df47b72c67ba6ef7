//! The hand-over between two threads: one slot that holds the newest.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A slot for one `T`.
///
/// A live stream puts without waiting, and what nobody took is replaced and counted; a file's
/// frames wait until the slot is free.
#[derive(Debug)]
pub(super) struct Mailbox<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Slot<T> {
    item: Option<T>,
    dropped: u64,
    closed: bool,
    /// Whoever waits is to look elsewhere.
    poked: bool,
}

/// What a look into the mailbox gave.
#[derive(Debug, PartialEq)]
pub(super) enum Taken<T> {
    /// What was in it.
    Item(T),
    /// Nothing came within the time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        let slot = Slot { item: None, dropped: 0, closed: false, poked: false };
        Self { slot: Mutex::new(slot), changed: Condvar::new() }
    }
}

impl<T> Mailbox<T> {
    /// Puts the newest in; what was there is dropped and counted. After closing, nothing is
    /// taken any more.
    pub(super) fn put(&self, item: T) {
        let mut slot = self.lock();
        if !slot.closed {
            slot.dropped += u64::from(slot.item.replace(item).is_some());
            drop(slot);
            self.changed.notify_all();
        }
    }

    /// Puts it in when the slot is free; false where it was closed before that.
    pub(super) fn put_waiting(&self, item: T) -> bool {
        let slot = self.lock();
        let occupied = |slot: &mut Slot<T>| slot.item.is_some() && !slot.closed;
        let mut slot = self.changed.wait_while(slot, occupied).unwrap_or_else(PoisonError::into_inner);
        if slot.closed {
            return false;
        }
        slot.item = Some(item);
        drop(slot);
        self.changed.notify_all();
        true
    }

    /// Puts it in when the slot is free, and gives it back where it isn't within that time; what
    /// comes after closing is gone.
    pub(super) fn put_within(&self, item: T, patience: Duration) -> Option<T> {
        let occupied = |slot: &mut Slot<T>| slot.item.is_some() && !slot.closed;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, occupied);
        let (mut slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if slot.closed {
            return None;
        }
        if slot.item.is_some() {
            return Some(item);
        }
        slot.item = Some(item);
        drop(slot);
        self.changed.notify_all();
        None
    }

    /// Takes what is in it, or what comes within that time.
    pub(super) fn take(&self, patience: Duration) -> Taken<T> {
        let empty = |slot: &mut Slot<T>| slot.item.is_none() && !slot.closed && !slot.poked;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, empty);
        let (mut slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        slot.poked = false;
        let Some(item) = slot.item.take() else {
            return if slot.closed { Taken::Closed } else { Taken::Nothing };
        };
        drop(slot);
        self.changed.notify_all();
        Taken::Item(item)
    }

    /// Has whoever waits for something, or the next who would, find nothing at once.
    pub(super) fn poke(&self) {
        self.lock().poked = true;
        self.changed.notify_all();
    }

    /// Lets nothing more in; what is in it can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Counts one that was taken and could not be used.
    pub(super) fn lose(&self) {
        self.lock().dropped += 1;
    }

    /// How many were replaced before anybody took them.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const SHORT: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn the_newest_stays_and_what_is_lost_is_counted() {
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.take(SHORT), Taken::Nothing);
        (1..=4).for_each(|n| mailbox.put(n));
        assert_eq!((mailbox.take(SHORT), mailbox.dropped()), (Taken::Item(4), 3));
        mailbox.put(5);
        mailbox.close();
        mailbox.put(6);
        assert_eq!((mailbox.take(SHORT), mailbox.take(SHORT)), (Taken::Item(5), Taken::Closed));
    }

    #[test]
    fn who_waits_loses_nothing_and_keeps_the_order() {
        let mailbox = Arc::new(Mailbox::default());
        let writer = Arc::clone(&mailbox);
        let putting = std::thread::spawn(move || {
            assert!((0..100).all(|n| writer.put_waiting(n)));
            writer.close();
        });
        let mut taken = Vec::new();
        while let Taken::Item(n) = mailbox.take(LONG) {
            taken.push(n);
        }
        putting.join().unwrap();
        assert_eq!((taken, mailbox.dropped()), ((0..100).collect(), 0));
    }

    #[test]
    fn who_waits_for_a_while_gets_back_what_found_no_room() {
        let mailbox = Mailbox::default();
        assert_eq!((mailbox.put_within(1, LONG), mailbox.put_within(2, SHORT)), (None, Some(2)));
        assert_eq!((mailbox.take(LONG), mailbox.put_within(2, LONG)), (Taken::Item(1), None));
        mailbox.close();
        assert_eq!((mailbox.put_within(3, LONG), mailbox.take(LONG)), (None, Taken::Item(2)));
        assert_eq!((mailbox.take(LONG), mailbox.dropped()), (Taken::Closed, 0));
    }

    #[test]
    fn who_is_poked_looks_elsewhere_once() {
        let mailbox = Mailbox::default();
        mailbox.poke();
        assert_eq!(mailbox.take(LONG), Taken::Nothing);
        mailbox.poke();
        mailbox.put(1);
        // What is there comes first.
        assert_eq!((mailbox.take(LONG), mailbox.take(SHORT)), (Taken::Item(1), Taken::Nothing));
    }

    #[test]
    fn closing_wakes_both_sides() {
        let mailbox = Arc::new(Mailbox::default());
        mailbox.put(1);
        let writer = Arc::clone(&mailbox);
        let putting = std::thread::spawn(move || writer.put_waiting(2));
        std::thread::sleep(SHORT);
        mailbox.close();
        assert!(!putting.join().unwrap());
        assert_eq!((mailbox.take(LONG), mailbox.take(LONG)), (Taken::Item(1), Taken::Closed));
    }
}
