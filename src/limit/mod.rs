//! Token buckets and leases in shared data, as values in and values out: how often a caller may ask, and
//! how much at once.
//!
//! A bucket is one *theoretical arrival time* (TAT) of the generic cell rate algorithm (ITU-T
//! I.371): the instant at which it is full again. A full, idle bucket therefore equals an
//! absent one. [`Charging`] walks through the limits of one exchange and says which key of the
//! shared data to read or write next; the shell carries that out and answers.
//!
//! # Bounds
//!
//! Shared data never forgets a key, so the number of keys is fixed whatever callers send: 4096
//! slots `fhir-guard.limit.v2.<000 to fff>` of at most 12 + 33 * 24 + 16 * 40 = 1444 bytes, together
//! 5 914 624 bytes of values and 94 208 bytes of keys, besides the map's own overhead. In each are 32 busy
//! buckets, the one that others share, and 16 callers with requests under way. One exchange
//! costs at most 8 reads and 8 writes for each slot, and one more write for each damaged one; where
//! the answer is charged, at most 32 of each more. Limits by the same key have one slot. A Bundle of
//! requests has at most 64 charges.
//!
//! Patients who were shown are counted in 512 slots `fhir-guard.patients.v2.<000 to 1ff>` of at most
//! 12 + 9 * 1058 = 9534 bytes, together 4 881 408 bytes of values and 13 312 bytes of keys.
//!
//! # What is promised
//!
//! A caller is never admitted more often than `burst + rate * t` within any time `t`, in any
//! interleaving of workers whose clocks differ by less than a second. Everything that cannot be
//! known counts against the caller:
//!
//! - A slot that was damaged is rebuilt: each of its buckets counts as emptied at that instant.
//! - A slot has room for 32 busy buckets. Further callers share one overflow bucket until another
//!   has been full for a second; it is charged for all of them, whatever their quotas. So where more
//!   than 32 buckets of a slow quota keep a slot busy (131 072 at once over all slots, and by chance
//!   some slots much sooner), newcomers of a fast quota in that slot wait as the slow ones do,
//!   and may starve while that lasts.
//! - What an answer costs is charged when it has ended, into debt where there is no more: never below
//!   the debt of the quota, and with it an overdrawn bucket refuses until exactly the instant that it says.
//! - No more are under way than a cap says, as long as something of each comes within its lease. What
//!   is never given back ends after the lease, and at most a seventh of it more. A damaged slot counts
//!   as full for that long; one that has 16 callers takes no others.
//! - Different patients are counted exactly up to 128, and beyond by a sketch that says 1 to 1.22 times as many
//!   as there are, in all but one of about 700 cases each. They are counted when an answer has ended: answers
//!   that are under way may go beyond the budget. A slot has room for 8 callers; further ones share one
//!   count, whoever was shown to any of them. A damaged slot counts as used up to the end of the window.
//! - Where the server that several proxies share refuses ([`Question`]), what was charged here is given back, less what
//!   came back by itself in the meantime: never more than was taken, so that nobody is admitted more often for it.
//! - Where a later limit turns out to refuse after an earlier one was written (only when another
//!   worker was faster), the earlier charge stays.
//! - Where shared data fails, or stays contended for 8 tries, the exchange is refused; so it is where there
//!   is no time.
//! - Whoever has no entry of his own for want of room is told of ([`Charging::crowded`]).
//! - Whom a limit never refuses ([`Right::Bypass`]) goes on all the same, and overdraws what is counted: a
//!   bucket down to its debt, a cap beyond itself.
//! - A time further ahead than the quota allows by two seconds (the clock stepped back, or damage)
//!   counts as just emptied. Such mends are stored even when the caller is refused, so that they
//!   heal; nobody is charged by them.
//!
//! Limits of equal name and key share their buckets in every filter that shares the `vm_id`.

mod bucket;
mod charging;
mod cost;
mod global;
mod headers;
mod key;
mod lease;
mod patients;
mod place;
mod priority;
mod quota;
mod settling;
mod sketch;
mod slip;
mod slot;
#[cfg(test)]
mod tests;

pub use charging::{Charge, Charging, Remaining, Verdict};
pub use cost::{Asking, Cost, Returned};
pub use global::{Breaker, BreakerPolicy, Found, GlobalLimits, Question, Unjudged};
pub use headers::headers;
pub use key::{AddressPrefix, Caller, KeyPart, Limit, Measure};
pub use lease::Cap;
pub use patients::{Budget, Shown};
pub use priority::{Priority, Right};
pub use quota::{Period, Quota};
pub use settling::{Owed, Settling};
