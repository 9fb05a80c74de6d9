//! One token, or the tokens of one user: from where they come, and how soon from elsewhere.

use std::net::IpAddr;

use super::detector::{DETECTORS, Detector};
use super::entries::{Kept, change};
use super::entry::{Fall, Reader, longs, words};
use super::policy::RiskPolicy;
use super::table::{hash, prefix};
use crate::shared::{Answer, Step, Swap, Work, slot_key};

/// The detectors whose scores are a session's.
const OWN: [Detector; 3] = [Detector::Certificates, Detector::Places, Detector::Travel];

/// Tokens of one user.
const TOKENS: usize = 4;

/// Bytes of an entry.
pub(super) const SESSION: usize = 132;

/// When a token was last seen is noted to so many seconds: otherwise each request would be a write.
const COARSE: u32 = 5;

/// What is new for a user, and not for one token, counts for this part: users have more than one device.
const USER: u32 = 2;

/// Where another token of the user is already, counts for this part.
const FOLLOWING: u32 = 4;

/// Where a token comes from: the certificate, the network of IPv4, that of IPv6, and the place; 0 is not known.
/// Both networks are kept, because who has both uses them in turn.
type Origin = [u32; 4];

/// One request whose token and proof hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Moment {
    slot: u16,
    fingerprint: [u8; 16],
    user: bool,
    token: u32,
    origin: Origin,
}

/// Whose request it is, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The client.
    pub client: &'a str,
    /// Whom the token is about; a client of its own is no user.
    pub subject: &'a str,
    /// The id of the token.
    pub token: &'a str,
    /// The thumbprint of the certificate.
    pub certificate: Option<&'a str>,
    /// The network address: 16 bits of IPv4, 32 of IPv6 are one network.
    pub address: Option<IpAddr>,
    /// The place, as whoever knows it names it.
    pub place: Option<&'a str>,
}

impl Session<'_> {
    /// This request.
    pub fn moment(&self) -> Moment {
        let user = self.subject != self.client;
        let mut text = blake3::Hasher::new();
        let who = if user { self.subject } else { self.token };
        text.update(&[3 + u8::from(user)]);
        for part in [self.issuer, self.client, who] {
            text.update(&(part.len() as u64).to_be_bytes());
            text.update(part.as_bytes());
        }
        let digest = text.finalize();
        let (fingerprint, rest) = digest
            .as_bytes()
            .split_first_chunk::<16>()
            .unwrap_or((&[0; 16], &[]));
        let slot = rest.first_chunk().map_or(0, |two| u16::from_be_bytes(*two));
        // A service has as many tokens as it asks for: it must not push out anybody's users.
        let slot = slot % 2048 + if user { 2048 } else { 0 };
        let known = |text: Option<&str>| text.map_or(0, |text| hash(text.as_bytes()).max(1));
        let network = |address: IpAddr| hash(&prefix(address, 16, 32)).max(1);
        let (v4, v6) = match self.address.map(|address| address.to_canonical()) {
            Some(address @ IpAddr::V4(_)) => (network(address), 0),
            Some(address @ IpAddr::V6(_)) => (0, network(address)),
            None => (0, 0),
        };
        Moment {
            slot,
            fingerprint: *fingerprint,
            user,
            token: hash(self.token.as_bytes()).max(1),
            origin: [known(self.certificate), v4, v6, known(self.place)],
        }
    }
}

/// What is known of one session, as it is stored: `fingerprint 16, updated u64, scores 3 * u32`, then 4 times
/// `token u32, certificate u32, network u32, network of IPv6 u32, place u32, seen u32`; numbers are big-endian,
/// `updated` in milliseconds and `seen` in seconds since 1970.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Entry {
    fingerprint: [u8; 16],
    updated: u64,
    scores: [u32; OWN.len()],
    tokens: [Seen; TOKENS],
}

/// One token; 0 is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Seen {
    token: u32,
    origin: Origin,
    at: u32,
}

impl Kept for Entry {
    const MAGIC: [u8; 4] = *b"FGS\x01";
    const BYTES: usize = SESSION;

    fn new(fingerprint: [u8; 16], milliseconds: u64) -> Entry {
        Entry {
            fingerprint,
            updated: milliseconds,
            ..Entry::default()
        }
    }

    #[inline(never)]
    fn read(bytes: &[u8]) -> Entry {
        let mut reader = Reader(bytes);
        Entry {
            fingerprint: reader.take(),
            updated: reader.u64(),
            scores: reader.words(),
            tokens: std::array::from_fn(|_| {
                let [token] = reader.words();
                let origin = reader.words();
                let [at] = reader.words();
                Seen { token, origin, at }
            }),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.fingerprint);
        longs(out, &[self.updated]);
        words(out, &self.scores);
        for seen in &self.tokens {
            words(out, &[seen.token]);
            words(out, &seen.origin);
            words(out, &[seen.at]);
        }
    }

    fn updated(&self) -> u64 {
        let latest = self.tokens.iter().map(|seen| seen.at).max();
        u64::from(latest.unwrap_or_default()) * 1000
    }
}

/// What looks wrong about a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Suspicion {
    /// In thousandths of points, by detectors.
    pub(super) scores: [u32; DETECTORS],
    /// Whether this request added to it.
    pub(super) grew: bool,
}

/// Notes from where a session comes, and says what looks wrong about that.
#[derive(Debug)]
pub struct Following {
    moment: Moment,
    policy: RiskPolicy,
    milliseconds: u64,
    swap: Swap<Suspicion>,
}

impl Following {
    /// Work that does so; `now` is in nanoseconds since 1970.
    pub fn new(moment: Moment, policy: RiskPolicy, now: u64) -> Self {
        Following {
            swap: Swap::new(slot_key("fhir-guard.session.v1.", moment.slot)),
            moment,
            policy,
            milliseconds: now / 1_000_000,
        }
    }
}

impl Work for Following {
    /// Nothing where shared data could not be read.
    type Outcome = Suspicion;

    fn step(&self) -> Step<'_, Suspicion> {
        match self.swap.step().outcome() {
            Ok(swapped) => Step::Done(swapped.outcome().copied().unwrap_or_default()),
            Err(step) => step,
        }
    }

    fn answer(&mut self, answer: Answer) {
        let (moment, policy, now) = (&self.moment, &self.policy, self.milliseconds);
        self.swap.answer(answer, |bytes| {
            change(bytes, moment.fingerprint, now, |entry: &mut Entry| {
                follow(entry, moment, policy, now)
            })
        });
    }
}

fn follow(entry: &mut Entry, moment: &Moment, policy: &RiskPolicy, now: u64) -> Suspicion {
    let fall = Fall::until(&mut entry.updated, now, policy.half_life);
    for score in &mut entry.scores {
        *score = fall.of(*score);
    }
    let now = u32::try_from(now / 1000).unwrap_or(u32::MAX);
    let soon = within(policy);
    // A clock that steps back makes nothing older.
    let is_soon = |seen: &Seen, aspect: usize| {
        let within = soon.get(aspect).copied().unwrap_or_default();
        now.saturating_sub(seen.at) <= within
    };
    let mut points = [0; OWN.len()];
    let mut add = |aspect: usize, part: u32| {
        let place = match aspect {
            0 => 0,
            1 | 2 => 2,
            _ => 1,
        };
        let detector = OWN.get(place).copied().unwrap_or(Detector::Certificates);
        if let Some(points) = points.get_mut(place) {
            *points = policy.weights.of(detector) / part;
        }
    };
    let known = entry
        .tokens
        .iter()
        .position(|seen| seen.token == moment.token);
    for (aspect, new) in moment
        .origin
        .into_iter()
        .enumerate()
        .filter(|(_, new)| *new != 0)
    {
        let old = |seen: &Seen| seen.origin.get(aspect).copied().filter(|old| *old != 0);
        match known.and_then(|place| entry.tokens.get(place)) {
            Some(seen) if is_soon(seen, aspect) && old(seen).is_some_and(|old| old != new) => {
                // Who goes elsewhere takes all devices along.
                let others = entry
                    .tokens
                    .iter()
                    .filter(|other| other.token != seen.token);
                let mut lately = others.filter(|other| is_soon(other, aspect));
                let follows = lately.any(|other| old(other) == Some(new));
                add(aspect, if follows { FOLLOWING } else { 1 });
            }
            Some(_) => {}
            None if moment.user => {
                let lately = entry.tokens.iter().filter(|seen| is_soon(seen, aspect));
                let lately: Vec<u32> = lately.filter_map(old).collect();
                if !lately.is_empty() && !lately.contains(&new) {
                    add(aspect, USER);
                }
            }
            None => {}
        }
    }
    note(&mut entry.tokens, known, moment, now);
    let most = policy.most();
    let mut suspicion = Suspicion::default();
    for ((score, points), detector) in entry.scores.iter_mut().zip(points).zip(OWN) {
        let bound = most.saturating_mul(super::entry::POINT);
        *score = score.saturating_add(points).min(bound);
        suspicion.grew |= points > 0;
        if let Some(own) = suspicion.scores.get_mut(detector as usize) {
            *own = *score;
        }
    }
    suspicion
}

/// Within how many seconds something else is too soon, by aspects of an origin.
fn within(policy: &RiskPolicy) -> [u32; 4] {
    let travel = policy.travel_within;
    [
        policy.certificates_within,
        travel,
        travel,
        policy.places_within,
    ]
}

/// Notes from where the token came; the token that was quiet for longest gives way.
fn note(tokens: &mut [Seen; TOKENS], known: Option<usize>, moment: &Moment, now: u32) {
    let quiet = || (0..).zip(tokens.iter()).min_by_key(|(_, seen)| seen.at);
    let place = known.or_else(|| quiet().map(|(place, _)| place));
    let Some(seen) = place.and_then(|place| tokens.get_mut(place)) else {
        return;
    };
    if seen.token != moment.token {
        *seen = Seen {
            token: moment.token,
            ..Seen::default()
        };
    }
    let before = seen.origin;
    for (old, new) in seen.origin.iter_mut().zip(moment.origin) {
        if new != 0 {
            *old = new;
        }
    }
    // Who has gone to another network has gone there with both kinds of addresses: that is not told twice.
    let [_, v4, v6, _] = &mut seen.origin;
    let [_, before_v4, before_v6, _] = before;
    if before_v4 != 0 && *v4 != before_v4 {
        *v6 = 0;
    }
    if before_v6 != 0 && *v6 != before_v6 && *v6 != 0 {
        *v4 = 0;
    }
    // A time ahead of the clock would make nothing old.
    if now.abs_diff(seen.at) >= COARSE || before != seen.origin {
        seen.at = now;
    }
}
