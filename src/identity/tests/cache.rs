//! Tokens that are remembered.

use super::*;

fn token() -> Rc<AccessToken> {
    let issuer = issuer();
    Rc::new(judged(&issuer.token(&good()), policy(&issuer.jwks()), NOW).expect("a token"))
}

fn key(number: usize) -> [u8; 32] {
    TokenCache::key(&number.to_string())
}

#[test]
fn as_many_are_held_as_promised_and_no_more() {
    let token = token();
    for (count, at_most) in [
        (1, 1),
        (TokenCache::CAPACITY - 1, TokenCache::CAPACITY - 1),
        (TokenCache::CAPACITY, TokenCache::CAPACITY),
        (TokenCache::CAPACITY + 1, TokenCache::CAPACITY),
        (TokenCache::CAPACITY * 3, TokenCache::CAPACITY),
    ] {
        let mut cache = TokenCache::default();
        for number in 0..count {
            cache.insert(key(number), Rc::clone(&token));
        }
        // One of ours, and one in the cache for each that is held.
        let found = Rc::strong_count(&token) - 1;
        assert!(found <= at_most, "{count}: {found}");
        assert!(found > at_most / 2 || count <= at_most, "{count}: {found}");
        if count <= TokenCache::CAPACITY {
            assert_eq!(found, count, "nothing is forgotten before it is full");
        }
        assert!(cache.get(&key(count - 1)).is_some(), "the last of {count}");
    }
}

#[test]
fn what_is_in_use_outlives_a_flood() {
    let token = token();
    let mut cache = TokenCache::default();
    cache.insert(TokenCache::key("steady"), Rc::clone(&token));
    for number in 0..TokenCache::CAPACITY * 4 {
        cache.insert(key(number), Rc::clone(&token));
        if number % 1000 == 0 {
            assert!(cache.get(&TokenCache::key("steady")).is_some(), "{number}");
        }
    }
    assert!(
        cache.get(&key(0)).is_none(),
        "the first of the flood is gone"
    );
    assert!(Rc::strong_count(&token) - 1 <= TokenCache::CAPACITY);
}

#[test]
fn a_token_is_known_by_all_of_it() {
    let mut cache = TokenCache::default();
    cache.insert(TokenCache::key("a.b.c"), token());
    for other in ["a.b.C", "a.b.c ", "a.b.", "a.b.cc", ""] {
        assert!(cache.get(&TokenCache::key(other)).is_none(), "{other}");
    }
    assert!(cache.get(&TokenCache::key("a.b.c")).is_some());
    cache.remove(&TokenCache::key("a.b.c"));
    assert!(cache.get(&TokenCache::key("a.b.c")).is_none(), "forgotten");
}
