//! The buckets of a slot.

use super::quota::Quota;
use super::slot::{Content, Entry, Fingerprint, Kind, SKEW, Slot};

impl Slot {
    /// The theoretical arrival time of this bucket, mended if no clock could have written it.
    pub fn find(&mut self, fingerprint: Fingerprint, quota: &Quota, now: u64) -> u64 {
        let empty = now.saturating_add(quota.furthest());
        if let Some(entry) = self.entry(fingerprint) {
            // Twice the skew: an entry below may lie one ahead, and this clock one behind.
            if entry.until > empty.saturating_add(2 * SKEW) {
                entry.until = empty;
                self.mended = true;
                return empty;
            }
            return entry.until;
        }
        let shared = self.entry(Kind::Bucket.overflow());
        let shared = shared.map_or(0, |entry| entry.until);
        // The overflow entry may hold what another, slower quota charged. This caller's own share
        // of it cannot exceed its own bucket: where there is room again, that is where it goes on.
        let own = empty.saturating_add(SKEW);
        if shared > own && self.has_room(Kind::Bucket, now) {
            self.insert(bucket(fingerprint, own));
            self.mended = true;
            return own;
        }
        let emptied = match self.rebuilt_at {
            0 => 0,
            instant => instant.saturating_add(quota.furthest()),
        };
        shared.max(emptied)
    }

    /// Notes the theoretical arrival time that was made from what [`Slot::find`] said.
    pub fn put(&mut self, fingerprint: Fingerprint, tat: u64, now: u64) {
        if let Some(entry) = self.entry(fingerprint) {
            entry.until = tat;
        } else if self.has_room(Kind::Bucket, now) {
            self.insert(bucket(fingerprint, tat));
        } else {
            let overflow = Kind::Bucket.overflow();
            match self.entry(overflow) {
                Some(entry) => entry.until = entry.until.max(tat),
                None => self.insert(bucket(overflow, tat)),
            }
        }
    }

    /// Gives back what made this bucket full so much later, charged at that instant; whether there was anything to
    /// be given back. What came back by itself since is not given again: a bucket that was full in between would hold
    /// more than its burst for it. Nothing of a bucket that was lost or emptied since, nor of what several share.
    pub fn give_back_bucket(
        &mut self,
        fingerprint: Fingerprint,
        added: u64,
        charged: u64,
        now: u64,
    ) -> bool {
        // A clock that stepped back tells nothing of how long it has been.
        let Some(since) = now.checked_sub(charged) else {
            return false;
        };
        let rest = added.saturating_sub(since);
        let known = !self.mended && self.rebuilt_at < charged;
        match self.entry(fingerprint) {
            Some(entry) if known && rest > 0 => {
                entry.until = entry.until.saturating_sub(rest);
                true
            }
            _ => false,
        }
    }
}

fn bucket(fingerprint: Fingerprint, tat: u64) -> Entry {
    Entry {
        fingerprint,
        until: tat,
        content: Content::Bucket,
    }
}
