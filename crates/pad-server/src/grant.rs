//! The grant of one request: places, a token allowance, and the owner under which the engine schedules it.

use std::sync::Arc;
use std::time::Instant;

use pad_engine::{CacheScope, GenerateRequest, Owner, Tenant};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use crate::keys::ApiKey;
use crate::rate::Bucket;
use crate::token_meter::TokenMeter;
use crate::{ApiError, ApiKeys};

/// What a caller has for one request. Places are free again when this is dropped, and tokens that were not used come back.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    places: Option<OwnedSemaphorePermit>,
    key: Option<ApiKey>,
    /// Who it is, where there are others.
    owner: Option<Owner>,
    /// Whose cached prompts it finds, where those are not everybody's.
    scope: Option<Owner>,
    /// Tokens that were taken out of the bucket.
    reserved: u64,
    /// Prompt tokens that were charged before the request is admitted.
    read: u64,
    /// Tokens of the reserved ones that were used.
    used: TokenMeter,
}

/// What a request may use at most, in tokens that run through the model: each of them counts once for every lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Demand {
    /// Of all prompts, in all lanes.
    prompts: u64,
    /// Of one more token of every choice.
    each: u64,
    /// Tokens of the longest answer.
    longest: u64,
}

impl Demand {
    fn of(requests: &[GenerateRequest]) -> Self {
        let sum = |of: fn(&GenerateRequest) -> u64| requests.iter().map(of).fold(0, u64::saturating_add);
        Self {
            prompts: sum(prompt_rows),
            each: sum(|request| (request.lanes.len() * request.choices) as u64),
            longest: requests.iter().map(|request| request.max_tokens as u64).max().unwrap_or(0),
        }
    }
}

/// Rows of a request's prompts in all lanes; where nothing is generated, nothing is read either.
fn prompt_rows(request: &GenerateRequest) -> u64 {
    if request.max_tokens == 0 {
        return 0;
    }
    request.lanes.iter().map(|lane| lane.prompt.len() as u64).sum()
}

impl Grant {
    /// What a key has for a request of which nothing is known yet: one place, if a token is left.
    ///
    /// # Errors
    /// 429 where a limit is reached.
    pub(crate) fn new(key: Option<&ApiKey>, keys: &ApiKeys) -> Result<Self, ApiError> {
        let Some(key) = key else { return Ok(Self::default()) };
        if let Some(bucket) = key.bucket() {
            let wait = bucket.wait(Instant::now());
            if !wait.is_zero() {
                let message = format!("this API key has used its {} tokens a minute", bucket.per_minute());
                return Err(ApiError::too_many_requests("rate_limit_exceeded", message).retry_after(wait));
            }
        }
        let owner = Owner(key.digest());
        Ok(Self {
            places: key.places(1)?,
            key: Some(key.clone()),
            owner: (keys.count() > 1).then_some(owner),
            scope: (!keys.share_prefixes()).then_some(owner),
            reserved: 0,
            read: 0,
            used: TokenMeter::default(),
        })
    }

    /// As whose the engine takes the request. Cached prompts are found by the same key and the same `cache_salt` only.
    pub(crate) fn tenant(&self, cache_salt: Option<&str>) -> Tenant {
        let cache = match (self.scope, cache_salt) {
            (None, None) => CacheScope::default(),
            (scope, salt) => {
                let mut name = Sha256::new();
                name.update([u8::from(scope.is_some())]);
                name.update(scope.map_or([0; 32], |owner| owner.0));
                name.update(salt.unwrap_or_default());
                CacheScope(name.finalize().into())
            }
        };
        Tenant { owner: self.owner, cache }
    }

    /// Take what a request may use at most: a place for each of its choices, and tokens. Answers that might get longer than the key's
    /// tokens allow are cut to what they allow.
    ///
    /// # Errors
    /// 429 where the key has not so many places, or the prompts alone take more tokens than it may use.
    pub(crate) fn admit(&mut self, requests: &mut [GenerateRequest]) -> Result<(), ApiError> {
        let choices: usize = requests.iter().map(|request| request.choices).sum();
        self.take_places(choices)?;
        let mut demand = Demand::of(requests);
        // What is read again is found in the cache.
        demand.prompts = demand.prompts.saturating_sub(self.read);
        let most = demand.prompts.saturating_add(demand.each.saturating_mul(demand.longest));
        // One token of every choice, unless none is asked for.
        let least = demand.prompts + demand.each * demand.longest.min(1);
        let Some(taken) = self.reserve(least, most)? else { return Ok(()) };
        if taken < most {
            let longest = ((taken - demand.prompts) / demand.each.max(1)) as usize;
            requests.iter_mut().for_each(|request| request.max_tokens = request.max_tokens.min(longest));
        }
        self.used.add(demand.prompts);
        self.used = self.used.of_lanes(demand.each / (choices as u64).max(1));
        Ok(())
    }

    /// Take the tokens of what is read and answered by no choice.
    ///
    /// # Errors
    /// 429 where the key may not use so many.
    pub(crate) fn charge(&mut self, tokens: u64) -> Result<(), ApiError> {
        if self.reserve(tokens, tokens)?.is_some() {
            self.used.add(tokens);
        }
        self.read += tokens;
        Ok(())
    }

    /// Take tokens of work that is done, of which nobody knew before how many they are.
    pub(crate) fn charge_done(&self, tokens: u64) {
        if let Some(bucket) = self.bucket() {
            bucket.spend(tokens, Instant::now());
        }
    }

    /// Counts the tokens of its choices.
    pub(crate) fn meter(&self) -> TokenMeter {
        self.used.clone()
    }

    /// Have a place for each of so many choices.
    ///
    /// # Errors
    /// 429 where the key has not so many.
    pub(crate) fn take_places(&mut self, choices: usize) -> Result<(), ApiError> {
        let Some(held) = &mut self.places else { return Ok(()) };
        let more = choices.saturating_sub(held.num_permits());
        let more = self.key.as_ref().map(|key| key.places(more)).transpose()?.flatten();
        if let Some(more) = more {
            held.merge(more);
        }
        Ok(())
    }

    /// The tokens that were taken; none where the key's are not limited.
    fn reserve(&mut self, least: u64, most: u64) -> Result<Option<u64>, ApiError> {
        let Some(bucket) = self.bucket() else { return Ok(None) };
        let taken = bucket.reserve(least, most, Instant::now()).map_err(|wait| {
            let message = format!(
                "the request needs at least {least} tokens over all its lanes; this API key has {} a minute, of which {} are left",
                bucket.per_minute(),
                bucket.remaining(Instant::now()),
            );
            ApiError::too_many_requests("rate_limit_exceeded", message).retry_after(wait)
        })?;
        self.reserved += taken;
        Ok(Some(taken))
    }

    fn bucket(&self) -> Option<&Arc<Bucket>> {
        self.key.as_ref()?.bucket()
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let unused = self.reserved.saturating_sub(self.used.total());
        if let Some(bucket) = self.bucket().filter(|_| unused > 0) {
            bucket.give_back(unused, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pad_decode::{CandidateSource, Rule};
    use pad_engine::LaneSpec;

    use super::*;

    fn request(lanes: usize, choices: usize, max_tokens: usize) -> GenerateRequest {
        GenerateRequest {
            lanes: vec![LaneSpec::base([1; 10].into()); lanes],
            terms: Vec::new(),
            rule: Rule::default(),
            top_k: 1,
            source: CandidateSource::Base,
            seed: 0,
            choices,
            max_tokens,
            end_tokens: Arc::new([]),
            tenant: Tenant::default(),
            grammar: None,
        }
    }

    fn grant(key: &ApiKey) -> Result<Grant, ApiError> {
        Grant::new(Some(key), &ApiKeys::new([key.clone(), ApiKey::new("other")]))
    }

    fn remaining(key: &ApiKey) -> u64 {
        key.bucket().map_or(0, |bucket| bucket.remaining(Instant::now()))
    }

    #[test]
    fn a_place_for_every_choice() {
        let key = ApiKey::new("k").limited(4);
        let mut first = grant(&key).unwrap();
        first.admit(&mut [request(1, 2, 5), request(1, 1, 5)]).unwrap();
        let mut second = grant(&key).unwrap();
        let refused = second.admit(&mut [request(1, 2, 5)]).unwrap_err();
        assert_eq!(
            (refused.status().as_u16(), refused.body().error.code.as_deref()),
            (429, Some("rate_limit_exceeded"))
        );
        assert!(grant(&key).is_err(), "all places are taken");
        drop(first);
        assert!(second.admit(&mut [request(1, 4, 5)]).is_ok());
        drop(second);
        assert!(grant(&ApiKey::new("k").limited(1)).unwrap().admit(&mut vec![request(1, 16, 5); 16]).is_err());
    }

    #[test]
    fn what_is_not_used_comes_back() {
        let key = ApiKey::new("k").rated(1000);
        let mut held = grant(&key).unwrap();
        // Two lanes of ten tokens, and two choices of fifty in each.
        held.admit(&mut [request(2, 2, 50)]).unwrap();
        assert_eq!(remaining(&key), 1000 - 20 - 200);
        held.meter().count(1);
        held.meter().count(2);
        drop(held);
        assert_eq!(remaining(&key), 1000 - 20 - 6);
    }

    #[test]
    fn answers_are_cut_to_what_the_key_may_use() {
        let key = ApiKey::new("k").rated(600);
        let mut requests = vec![request(1, 16, 1000); 16];
        let mut held = grant(&key).unwrap();
        held.admit(&mut requests).unwrap();
        // 1,200 less 160 of the prompts, for 256 choices.
        assert!(requests.iter().all(|request| request.max_tokens == 4));
        assert!(grant(&key).is_err(), "nothing is left");
        drop(held);
        let mut long = request(1, 1, 1);
        long.lanes = vec![LaneSpec::base(vec![1; 2000].into())];
        let refused = grant(&key).unwrap().admit(&mut [long]).unwrap_err();
        assert!(refused.body().error.message.contains("at least 2001 tokens"), "{}", refused.body().error.message);
    }

    #[test]
    fn a_prompt_that_is_read_twice_is_charged_once() {
        let key = ApiKey::new("k").rated(1000);
        for (lanes, max_tokens, charged) in [(1, 0, 10), (1, 5, 12), (2, 5, 24)] {
            let before = remaining(&key);
            let mut held = grant(&key).unwrap();
            held.charge(10).unwrap();
            held.admit(&mut [request(lanes, 1, max_tokens)]).unwrap();
            held.meter().count(max_tokens.min(2));
            drop(held);
            assert_eq!(before - remaining(&key), charged, "{lanes} lanes, {max_tokens} tokens");
        }
    }

    #[test]
    fn work_without_choices_is_charged() {
        let key = ApiKey::new("k").rated(100);
        grant(&key).unwrap().charge(30).unwrap();
        assert_eq!(remaining(&key), 70);
        assert!(grant(&key).unwrap().charge(171).is_err());
        grant(&key).unwrap().charge_done(1_000_000);
        assert!(grant(&key).is_err());
    }

    #[test]
    fn scopes_are_keys_and_salts() {
        let (alpha, beta) = (ApiKey::new("alpha"), ApiKey::new("beta"));
        let keys = ApiKeys::new([alpha.clone(), beta.clone()]);
        let sharing = keys.clone().sharing_prefixes();
        let of = |key: Option<&ApiKey>, keys, salt| Grant::new(key, keys).unwrap().tenant(salt).cache;
        let scope = |key, salt| of(key, &keys, salt);
        let all = [
            scope(Some(&alpha), None),
            scope(Some(&alpha), Some("x")),
            scope(Some(&alpha), Some("y")),
            scope(Some(&beta), None),
            scope(Some(&beta), Some("x")),
            scope(None, None),
            scope(None, Some("x")),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other != one), "{at}");
        }
        assert_eq!(scope(Some(&alpha), Some("x")), all[1]);
        assert_eq!(of(Some(&alpha), &sharing, None), of(Some(&beta), &sharing, None), "where keys share");
        assert_eq!(of(Some(&alpha), &sharing, Some("x")), of(Some(&beta), &sharing, Some("x")));
        assert_eq!(all[5], CacheScope::default());
        let owner = |keys: &ApiKeys| Grant::new(Some(&alpha), keys).unwrap().tenant(None).owner;
        assert!(owner(&keys).is_some() && owner(&ApiKeys::new([alpha.clone()])).is_none(), "nobody to be told from");
    }
}
