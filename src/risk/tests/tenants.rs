//! What its callers bring on a tenant.

use super::*;

/// So many absent ids in each request of these callers, one request a second; when the tenant is isolated.
fn isolated(callers: usize, ids: u64, requests: u64) -> Option<u64> {
    let mut shared = Shared::default();
    let policy = RiskPolicy {
        isolates_tenants: true,
        ..RiskPolicy::default()
    };
    let names: Vec<String> = (0..callers).map(|number| format!("c{number}")).collect();
    for request in 0..requests {
        for name in &names {
            let first = request * ids;
            let sights = (first..first + ids).map(|id| sight(Fact::Absent, id * 7));
            let caller = Suspected::Certificate(name)
                .scored()
                .observation(sights.collect());
            let tenant = Suspected::Tenant("clinic").scored().observation(Vec::new());
            let now = NOW + request * SECOND;
            let watching = Watching::new(caller, Some(tenant), policy, now);
            let found = shared.carry_out(watching);
            if found.tenant.is_some_and(|tenant| tenant.isolates) {
                return Some(request);
            }
        }
    }
    None
}

#[test]
fn one_caller_has_no_tenant_isolated_and_many_have() {
    let check = |name: &str, callers, ids, requests, expected: Option<u64>| {
        assert_eq!(isolated(callers, ids, requests), expected, "{name}");
    };
    check("one Bundle", 1, 200, 1, None);
    check("one caller, for an hour", 1, 200, 3600, None);
    check("four callers, for an hour", 4, 200, 3600, None);
    check("six callers, at once", 6, 200, 1, Some(0));
    check("six callers, one id after the other", 6, 1, 100, Some(20));
}
