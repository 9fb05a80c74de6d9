//! Workers that observe the same callers at once: whatever the order, nothing is lost or counted twice.

use super::*;

/// Numbers that look like chance (Knuth's linear congruential generator).
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Shared data as the proxy has it: a write takes place where the version is still that of the read.
fn carry_out<T>(map: &mut HashMap<String, (Vec<u8>, u32)>, step: &Step<'_, T>) -> Answer {
    match step {
        Step::Done(_) => Answer::Failed,
        Step::Read { key } => {
            let (bytes, version) = map.get(*key).cloned().unzip();
            Answer::Value { bytes, version }
        }
        Step::Write {
            key,
            value,
            version,
        } => {
            let own = map.get(*key).map(|(_, version)| *version);
            if own != *version {
                return Answer::Conflict;
            }
            let next = version.unwrap_or_default() + 1;
            map.insert((*key).to_owned(), (value.to_vec(), next));
            Answer::Written
        }
    }
}

/// Three workers, any interleaving; every refusal of a scope counts two points, whatever becomes of the others, and
/// an observation is lost only where it was contended for eight times or shared data failed.
#[test]
fn every_observation_counts_once_in_any_interleaving() {
    let names = ["aa", "bb", "cc"];
    let policy = RiskPolicy {
        isolate_at: 100_000,
        ..RiskPolicy::default()
    };
    let (mut kept, mut lost, mut conflicts) = (0, 0, 0);
    for seed in 0..40 {
        let mut chance = Lcg(seed);
        let mut map = HashMap::new();
        let mut workers: [Option<(usize, Observing, bool)>; 3] = [None, None, None];
        let absent = || Answer::Value {
            bytes: None,
            version: None,
        };
        let mut known = [absent(), absent(), absent()];
        let mut expected = [0_u32; 3];
        for round in 0..6000 {
            let worker = &mut workers[chance.below(3) as usize];
            let Some((name, work, written)) = worker else {
                if round > 5500 {
                    continue;
                }
                // Mostly the same one.
                let name = (chance.below(6) as usize).saturating_sub(3);
                let who = Suspected::Certificate(names[name]);
                let seen = Observation::new(who, vec![Sight::of(Fact::Refused, None)]);
                let mut work = Observing::new(seen, policy, NOW);
                // What was read at some time before, when it may have been another.
                if chance.below(2) == 0 {
                    work.begin(Known {
                        answer: known[name].clone(),
                        milliseconds: NOW / 1_000_000,
                    });
                }
                if chance.below(2) == 0 {
                    let (bytes, version) = map.get(&who.scored().key()).cloned().unzip();
                    known[name] = Answer::Value { bytes, version };
                }
                *worker = Some((name, work, false));
                continue;
            };
            if let Step::Done(_) = work.step() {
                expected[*name] += u32::from(*written);
                kept += usize::from(*written);
                lost += usize::from(!*written);
                *worker = None;
                continue;
            }
            let answer = match chance.below(200) {
                0 => Answer::Failed,
                _ => carry_out(&mut map, &work.step()),
            };
            *written |= answer == Answer::Written;
            conflicts += usize::from(answer == Answer::Conflict);
            work.answer(answer);
        }
        for (name, count) in names.iter().zip(expected) {
            let who = Suspected::Certificate(name);
            let seen = Observation::new(who, vec![Sight::of(Fact::Other, None)]);
            let mut work = Observing::new(seen, policy, NOW);
            let answer = carry_out(&mut map, &work.step());
            work.answer(answer);
            let Step::Done(finding) = work.step() else {
                panic!("nothing changes");
            };
            let score = finding.map_or(0, |finding| finding.score);
            let points = count * 2;
            let told = if points >= policy.report_at {
                points
            } else {
                0
            };
            assert_eq!(score, told, "seed {seed}, {name}");
        }
    }
    assert!(conflicts > 1000, "{conflicts}");
    assert!(
        kept > 10_000 && lost * 20 < kept,
        "{kept} kept, {lost} lost"
    );
}

/// The same for sessions: two workers see one token from two certificates in turn. Whatever the order, it is
/// noticed, and never more often than there were requests.
#[test]
fn a_shared_token_is_noticed_by_workers_that_race() {
    let policy = RiskPolicy {
        isolate_at: 100_000,
        ..RiskPolicy::default()
    };
    for seed in 0..40 {
        let mut chance = Lcg(seed);
        let mut map = HashMap::new();
        let mut workers: [Option<Following>; 2] = [None, None];
        let (mut begun, mut most) = (0, 0);
        for _ in 0..400 {
            let number = chance.below(2) as usize;
            let Some(work) = &mut workers[number] else {
                let session = Session {
                    issuer: "https://login",
                    client: "app",
                    subject: "user",
                    token: "t",
                    certificate: Some(["aa", "bb"][number]),
                    address: None,
                    place: None,
                };
                begun += 1;
                workers[number] = Some(Following::new(session.moment(), policy, NOW));
                continue;
            };
            if let Step::Done(suspicion) = work.step() {
                most = most.max(suspicion.scores[Detector::Certificates as usize] / POINT);
                workers[number] = None;
                continue;
            }
            let answer = carry_out(&mut map, &work.step());
            work.answer(answer);
        }
        assert!(most >= 30 * 10, "seed {seed}: {most} of {begun}");
        assert!(most <= 30 * begun, "seed {seed}: {most} of {begun}");
    }
}
