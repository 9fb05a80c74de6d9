//! Rules that ask for a stronger or a fresher login (RFC 9470).

use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::identity::Login;
use crate::request::Interaction;

/// One rule: for which requests, and what of the login it asks. Every rule that applies must hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StepUp {
    /// Shown in the audit record.
    pub name: String,
    /// The interactions by their codes; `None` where the operator named none, so that all are.
    pub interactions: Option<Vec<&'static str>>,
    /// The types that are asked for; `None` where the operator named none, so that all are.
    pub types: Option<Vec<ResourceType>>,
    /// What is asked of the login.
    pub requirement: Requirement,
}

/// What is asked of a login.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Requirement {
    /// `acr` must be one of these; nothing is asked of it where there are none.
    pub classes: Vec<String>,
    /// `amr` must have all of these.
    pub methods: Vec<String>,
    /// The most seconds since `auth_time`.
    pub max_age: Option<u64>,
}

impl StepUp {
    /// Whether the login is enough for this interaction; `now` in seconds since 1970. A claim that is
    /// missing never is.
    pub(super) fn check(
        &self,
        interaction: &Interaction,
        resource_type: ResourceType,
        login: &Login,
        now: u64,
    ) -> Result<(), Denial> {
        if !applies(&self.interactions, &self.types, interaction, resource_type) {
            return Ok(());
        }
        self.requirement.check(&self.name, login, now)
    }
}

/// Whether a rule for these interactions and types is about this one.
pub(super) fn applies(
    codes: &Option<Vec<&'static str>>,
    types: &Option<Vec<ResourceType>>,
    interaction: &Interaction,
    resource_type: ResourceType,
) -> bool {
    let (codes, types) = (codes.as_ref(), types.as_ref());
    codes.is_none_or(|codes| codes.contains(&interaction.code()))
        && types.is_none_or(|types| types.contains(&resource_type))
}

impl Requirement {
    /// Whether the login is enough for a rule of this name; `now` in seconds since 1970.
    pub(crate) fn check(&self, rule: &str, login: &Login, now: u64) -> Result<(), Denial> {
        if self.holds(login, now) {
            return Ok(());
        }
        let classes = self.classes.join(" ");
        Err(Denial::StepUp {
            rule: rule.to_owned(),
            acr_values: Some(classes).filter(|values| !values.is_empty()),
            max_age: self.max_age,
        })
    }

    fn holds(&self, login: &Login, now: u64) -> bool {
        let class = login.class.as_ref();
        let classes = &self.classes;
        (classes.is_empty() || class.is_some_and(|class| classes.contains(class)))
            && self
                .methods
                .iter()
                .all(|method| login.methods.contains(method))
            && self
                .max_age
                .is_none_or(|max_age| login.is_within(max_age, now))
    }
}
