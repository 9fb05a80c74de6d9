//! The engine limitador behind the Envoy rate limit protocol, over Redis: `ratelimit PORT REDIS_URL DOMAIN LIMIT MOST SECONDS`.
//! It counts each client under the one limit apart. What it cannot count it answers with an error of gRPC.

use std::collections::HashMap;
use std::time::Duration;

use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit,
};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf;
use limitador::AsyncRateLimiter;
use limitador::limit::{Limit, Namespace};
use limitador::storage::redis::AsyncRedisStorage;
use tonic::{Request, Response, Status};

struct Server {
    engine: AsyncRateLimiter,
}

#[tonic::async_trait]
impl RateLimitService for Server {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let request = request.into_inner();
        let domain = Namespace::from(request.domain.as_str());
        let mut statuses = Vec::new();
        for descriptor in &request.descriptors {
            let own = descriptor.hits_addend.as_ref().map(|hits| hits.value);
            let hits = own.unwrap_or(u64::from(request.hits_addend.max(1)));
            statuses.push(self.judge(&domain, descriptor, hits).await?);
        }
        let over = |one: &DescriptorStatus| one.code() == Code::OverLimit;
        let code = match statuses.iter().any(over) {
            true => Code::OverLimit,
            false => Code::Ok,
        };
        Ok(Response::new(RateLimitResponse {
            overall_code: code.into(),
            statuses,
            ..RateLimitResponse::default()
        }))
    }
}

impl Server {
    async fn judge(
        &self,
        domain: &Namespace,
        descriptor: &RateLimitDescriptor,
        hits: u64,
    ) -> Result<DescriptorStatus, Status> {
        let entries = descriptor.entries.iter();
        let values: HashMap<String, String> = entries
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect();
        let hits = i64::try_from(hits).map_err(|_| Status::invalid_argument("hits_addend"))?;
        let counted = self
            .engine
            .check_rate_limited_and_update(domain, &values, hits, true)
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let code = match counted.limited {
            true => Code::OverLimit,
            false => Code::Ok,
        };
        let mut status = DescriptorStatus {
            code: code.into(),
            ..DescriptorStatus::default()
        };
        if let Some(counter) = counted.counters.first() {
            status.current_limit = Some(RateLimit {
                requests_per_unit: u32::try_from(counter.max_value()).unwrap_or(u32::MAX),
                ..RateLimit::default()
            });
            let left = counter.remaining().unwrap_or(0).max(0);
            status.limit_remaining = u32::try_from(left).unwrap_or(u32::MAX);
            let ends = counter.expires_in().unwrap_or(Duration::ZERO);
            status.duration_until_reset = Some(protobuf::Duration {
                seconds: i64::try_from(ends.as_secs()).unwrap_or(i64::MAX),
                nanos: i32::try_from(ends.subsec_nanos()).unwrap_or(0),
            });
        }
        Ok(status)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, redis, domain, limit, most, seconds] = arguments.as_slice() else {
        return Err("usage: ratelimit PORT REDIS_URL DOMAIN LIMIT MOST SECONDS".into());
    };
    let storage = AsyncRedisStorage::new(redis).await?;
    let engine = AsyncRateLimiter::new_with_storage(Box::new(storage));
    engine.add_limit(Limit::new(
        domain.as_str(),
        most.parse()?,
        seconds.parse()?,
        vec![format!("limit == '{limit}'")],
        vec!["client"],
    ));
    let address = format!("127.0.0.1:{port}").parse()?;
    tonic::transport::Server::builder()
        .add_service(RateLimitServiceServer::new(Server { engine }))
        .serve(address)
        .await?;
    Ok(())
}
