//! The configuration of a protection, in which every fault is found before the first request.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, SystemClock};
use http_io::Fetch;
use oauth_types::{Scope, well_known};

use super::ahead::ReadAhead;
use super::{Common, Gate, Protection};
use crate::answer::{Answers, ErrorBody};
use crate::config_error::ValueFault;
use crate::cors::Cors;
use crate::metadata::{AuthorizationServers, Documents, Legacy};
use crate::origin::{Host, Origin};
use crate::scopes::Hierarchy;
use crate::step_up::Demanded;
use crate::tools::Tools;
use crate::{ConfigError, LegacyMetadata, StepUp, Verify};

/// A protection in the making. Whatever is wrong is said by [`build`](Self::build).
pub struct ProtectionBuilder {
    verify: Arc<dyn Verify>,
    required: Scope,
    step_up: Demanded,
    tools: Tools,
    implications: Vec<(Scope, Scope)>,
    optional: bool,
    granted_too: bool,
    keep_authorization_header: bool,
    body_limit: usize,
    body_deadline: Duration,
    body: ErrorBody,
    retry_after: Duration,
    origins: Option<BTreeSet<Origin>>,
    hosts: BTreeSet<Host>,
    authorization_servers: Option<Vec<String>>,
    scopes_supported: Option<Scope>,
    name: Option<String>,
    documentation: Option<String>,
    at_root: bool,
    legacy: LegacyMetadata,
    fetch: Option<Arc<dyn Fetch>>,
    clock: Arc<dyn Clock>,
    fault: Option<ConfigError>,
}

impl ProtectionBuilder {
    pub(super) fn new(verify: Arc<dyn Verify>) -> Self {
        Self {
            verify,
            required: Scope::empty(),
            step_up: Demanded::default(),
            tools: Tools::default(),
            implications: Vec::new(),
            optional: false,
            granted_too: false,
            keep_authorization_header: false,
            body_limit: BODY_LIMIT,
            body_deadline: BODY_DEADLINE,
            body: ErrorBody::default(),
            retry_after: RETRY_AFTER,
            origins: None,
            hosts: BTreeSet::new(),
            authorization_servers: None,
            scopes_supported: None,
            name: None,
            documentation: None,
            at_root: true,
            legacy: LegacyMetadata::default(),
            fetch: None,
            clock: Arc::new(SystemClock),
            fault: None,
        }
    }

    /// Every token needs these scopes, separated by spaces; again adds more.
    #[must_use]
    pub fn require(self, scopes: &str) -> Self {
        self.with(demanded(scopes), |this, scopes| this.required = this.required.union(&scopes))
    }

    /// A `tools/call` of `tool` needs these scopes, too. Bodies are read for it, and are refused unless they are JSON-RPC that can be
    /// read in one way alone: let this protection stand before MCP endpoints only.
    ///
    /// Nobody can tell here which tools there are: a name that is none protects nothing, and says nothing. Where that must not happen,
    /// [`require_for_other_tools`](Self::require_for_other_tools) closes what is not named.
    #[must_use]
    pub fn require_for_tool(self, tool: &str, scopes: &str) -> Self {
        let both = named(tool).and_then(|tool| Ok((tool, demanded(scopes)?)));
        self.with(both, |this, (tool, scopes)| this.tools.need(tool, &scopes))
    }

    /// The person behind every token must have proved who they are like this (RFC 9470); again demands both.
    #[must_use]
    pub fn require_step_up(self, step_up: &StepUp) -> Self {
        self.with(step_up.demanded(), |this, demanded| this.step_up = this.step_up.and(&demanded))
    }

    /// The person who lets `tool` be called must have proved who they are like this, too. Bodies are read for it, as for
    /// [`require_for_tool`](Self::require_for_tool), beside which it can stand.
    #[must_use]
    pub fn require_step_up_for_tool(self, tool: &str, step_up: &StepUp) -> Self {
        let both = named(tool).and_then(|tool| Ok((tool, step_up.demanded()?)));
        self.with(both, |this, (tool, demanded)| this.tools.step_up(tool, &demanded))
    }

    /// A `tools/call` of `tool` needs nothing beyond what [every token](Self::require) needs: the exception from
    /// [`require_for_other_tools`](Self::require_for_other_tools), without which it changes nothing.
    #[must_use]
    pub fn open_tool(self, tool: &str) -> Self {
        self.with(named(tool), |this, tool| this.tools.open(tool))
    }

    /// A `tools/call` of any tool that neither [`require_for_tool`](Self::require_for_tool) nor [`open_tool`](Self::open_tool) names needs
    /// these scopes, too: one that is added later, and one whose name is written otherwise there than in the server, which would be open without this.
    #[must_use]
    pub fn require_for_other_tools(self, scopes: &str) -> Self {
        self.with(demanded(scopes), |this, scopes| this.tools.others_need(&scopes))
    }

    /// Whoever has the scope `broad` has all of `narrow` as well (RS-8). What follows from that follows, too; circles are no harm.
    #[must_use]
    pub fn implies(self, broad: &str, narrow: &str) -> Self {
        let both = demanded(broad).and_then(|broad| Ok((broad, demanded(narrow)?)));
        self.with(both, |this, both| this.implications.push(both))
    }

    /// What the metadata lists as `authorization_servers` (RFC 9728 section 2), in this order, instead of all issuers that the verifier
    /// trusts. Clients log in at the first, or at any.
    ///
    /// It is for a move from one to another: tokens of the old one are still taken, and new ones come from the new one alone.
    #[must_use]
    pub fn authorization_servers<I: AsRef<str>>(self, issuers: impl IntoIterator<Item = I>) -> Self {
        let issuers = issuers.into_iter().map(|issuer| issuer.as_ref().to_owned()).collect();
        Self { authorization_servers: Some(issuers), ..self }
    }

    /// What the metadata lists as `scopes_supported`, instead of what is [required](Self::require) of every token: what a client asks for
    /// when it begins. Clients take all of it, so a scope that one tool needs belongs to that tool's challenge and not in here.
    /// `offline_access` is left out: it is the authorization server's.
    #[must_use]
    pub fn scopes_supported(self, scopes: &str) -> Self {
        self.with(scope(scopes), |this, scopes| this.scopes_supported = Some(without_offline_access(&scopes)))
    }

    /// Whoever shows no credentials is let in as nobody, and may do what needs no scope of a route or tool. A bad token is 401 all
    /// the same: a client that is served as nobody never learns that it has to refresh.
    ///
    /// A page of another origin than this server's is nobody only if [`allowed_origins`](Self::allowed_origins) names it; others get the
    /// 401 with the challenge. Any page that somebody opens inside of a company's network could read the server there otherwise. Nor is
    /// anybody nobody whose `Host` is another than that of the configured URL, for such a page can make its own name resolve to the
    /// server (DNS rebinding): where a proxy rewrites it, [`also_known_as`](Self::also_known_as) names what it writes.
    ///
    /// Where tools need scopes, nobody may send up to 64 KiB, and is asked to log in beyond.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// What else stands in `Host`, or in `:authority`, of requests to this server: a name or an address without a port, `mcp.internal`.
    /// Again adds more.
    ///
    /// It is for [optional](Self::optional) mode behind a proxy that rewrites `Host`. With a token any name will do, but for a server on
    /// this machine, which takes names of this machine alone, whatever is said here.
    #[must_use]
    pub fn also_known_as<H: AsRef<str>>(self, hosts: impl IntoIterator<Item = H>) -> Self {
        let parsed = hosts.into_iter().map(|text| {
            let text = text.as_ref();
            Host::parse(text).ok_or_else(|| value("the host", text, ValueFault::Host, "mcp.internal"))
        });
        self.with(parsed.collect(), |this, hosts: BTreeSet<Host>| this.hosts.extend(hosts))
    }

    /// Where a scope is missing, the challenge also names what the token has. Clients of 2025-11-25 ask for exactly what they are
    /// told, and would lose the rest; those of 2026-07-28 add it themselves (BC-11).
    #[must_use]
    pub fn challenge_granted_too(self) -> Self {
        Self { granted_too: true, ..self }
    }

    /// What people read as the name of this server (RFC 9728 section 2).
    #[must_use]
    pub fn resource_name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The URL of a page about this server for developers (RFC 9728 section 2).
    #[must_use]
    pub fn documentation(self, url: impl Into<String>) -> Self {
        Self { documentation: Some(url.into()), ..self }
    }

    /// The pages that may call, as browsers write their origins: `https://app.example.com`. Any other page is refused with 403 (RS-15).
    ///
    /// Without it any page may: what it has no token for it cannot do. A server on this machine lets in only pages of this machine, for
    /// others can make their name resolve to it (DNS rebinding); it refuses any other name than its own in `Host`, too, whatever is
    /// allowed here. Programs that are no browser send no `Origin` and are not concerned.
    #[must_use]
    pub fn allowed_origins<O: AsRef<str>>(self, origins: impl IntoIterator<Item = O>) -> Self {
        let parsed = origins.into_iter().map(|text| {
            let text = text.as_ref();
            Origin::parse(text)
                .ok_or_else(|| value("the origin", text, ValueFault::Origin, "https://app.example.com"))
        });
        self.with(parsed.collect(), |this, origins: BTreeSet<Origin>| this.origins = Some(origins))
    }

    /// What clients of 2025-03-26 find, which look for the authorization server at this one's origin. Off by default.
    #[must_use]
    pub fn legacy_metadata(self, legacy: LegacyMetadata) -> Self {
        Self { legacy, ..self }
    }

    /// Serves the metadata at its path-inserted URL only: for several servers at one origin, of which one alone can have the root.
    /// It changes nothing where the two are the same.
    #[must_use]
    pub fn without_root_metadata(self) -> Self {
        Self { at_root: false, ..self }
    }

    /// What `Retry-After` says with a 503, in whole seconds of at least one. Default: 5 s.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: after, ..self }
    }

    /// The longest body that is read where tools need scopes, in bytes. Default: 4 MiB.
    #[must_use]
    pub fn body_limit(self, bytes: usize) -> Self {
        Self { body_limit: bytes, ..self }
    }

    /// For how long a body is waited for where tools need scopes; a later one is 408. Default: 30 s.
    #[must_use]
    pub fn body_deadline(self, deadline: Duration) -> Self {
        Self { body_deadline: deadline, ..self }
    }

    /// What the body of a refusal is. Default: a JSON-RPC error.
    #[must_use]
    pub fn error_body(self, body: ErrorBody) -> Self {
        Self { body, ..self }
    }

    /// Lets the server behind see the `Authorization` header.
    ///
    /// The danger: a token that was given to this server is for it alone. Whatever sends it on, to an API behind for instance, lets
    /// somebody else act as its user here, and is what MCP forbids as token passthrough (RS-13).
    #[must_use]
    pub fn keep_authorization_header(self) -> Self {
        Self { keep_authorization_header: true, ..self }
    }

    /// What fetches the document for [`LegacyMetadata::Copy`], instead of a client with a guard that lets private networks through.
    #[must_use]
    pub fn fetch(self, fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch: Some(fetch), ..self }
    }

    /// What tells the time, instead of the clock of the machine.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The protection.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what to configure.
    pub fn build(mut self) -> Result<Protection, ConfigError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if let Some(tool) = self.tools.contradiction() {
            return Err(ConfigError::OpenTool { tool: tool.to_owned() });
        }
        let impossible = || self.step_up.is_impossible().then_some("every token");
        if let Some(of) = self.tools.impossible(&self.step_up).or_else(impossible) {
            return Err(ConfigError::StepUpImpossible { of: of.to_owned() });
        }
        let verify = Arc::clone(&self.verify);
        let servers = match self.authorization_servers.take() {
            Some(chosen) => AuthorizationServers::only(verify, chosen)?,
            None => AuthorizationServers::all(verify),
        };
        if self.legacy == LegacyMetadata::Copy && self.fetch.is_none() {
            self.fetch = Some(Legacy::client(&servers.listed())?);
        }
        Ok(self.finished(servers))
    }

    /// The protection before which nothing was said that could be wrong.
    pub(super) fn plain(self) -> Protection {
        let servers = AuthorizationServers::all(Arc::clone(&self.verify));
        self.finished(servers)
    }

    fn finished(self, servers: AuthorizationServers) -> Protection {
        let resource = self.verify.resource().clone();
        let answers = Answers { metadata_url: well_known::protected_resource(&resource), body: self.body };
        let legacy = Legacy::new(self.legacy, self.fetch, &servers, Arc::clone(&self.clock));
        let documents = Documents::new(
            servers,
            self.scopes_supported.unwrap_or_else(|| self.required.clone()),
            (self.name, self.documentation),
            self.at_root,
            legacy,
        );
        let retry_after = self.retry_after.as_secs().max(1);
        let common = Common {
            verify: self.verify,
            hierarchy: Hierarchy::of(&self.implications),
            tools: self.tools,
            cors: Cors::new(&resource, self.origins, self.hosts),
            optional: self.optional,
            granted_too: self.granted_too,
            keep_authorization_header: self.keep_authorization_header,
            body_limit: self.body_limit,
            body_deadline: self.body_deadline,
            read_ahead: ReadAhead::new(self.body_limit),
            clock: self.clock,
            unavailable: answers.unavailable(retry_after),
            too_many_bodies: answers.too_many_bodies(retry_after),
            answers,
            documents: Arc::new(documents),
        };
        let gate = Gate::new(Arc::new(common), Scope::empty(), self.required);
        Protection(Arc::new(Gate { step_up: self.step_up, ..gate }))
    }

    /// Does it, or keeps the first fault for [`build`](Self::build).
    fn with<T>(mut self, parsed: Result<T, ConfigError>, then: impl FnOnce(&mut Self, T)) -> Self {
        match parsed {
            Ok(parsed) => then(&mut self, parsed),
            Err(fault) => {
                self.fault.get_or_insert(fault);
            }
        }
        self
    }
}

fn named(tool: &str) -> Result<String, ConfigError> {
    let empty = || value("the name of a tool", tool, ValueFault::Empty, "delete_file");
    if tool.is_empty() { Err(empty()) } else { Ok(tool.to_owned()) }
}

/// Scopes that can be demanded of a token: at least one, and not the one that asks for a refresh token.
pub(super) fn demanded(text: &str) -> Result<Scope, ConfigError> {
    let scope = scope(text)?;
    if scope.is_empty() {
        return Err(bad_scope(text, ValueFault::Empty));
    }
    if scope.contains(OFFLINE_ACCESS) {
        return Err(bad_scope(text, ValueFault::OfflineAccess));
    }
    Ok(scope)
}

/// RS-6: whether a client gets a refresh token is no business of the server that it calls.
pub(super) fn without_offline_access(scope: &Scope) -> Scope {
    match Scope::from_tokens(scope.iter().filter(|token| *token != OFFLINE_ACCESS)) {
        Ok(rest) => rest,
        Err(_) => scope.clone(),
    }
}

fn scope(text: &str) -> Result<Scope, ConfigError> {
    Scope::parse(text).map_err(|fault| bad_scope(text, fault.into()))
}

fn bad_scope(text: &str, fault: ValueFault) -> ConfigError {
    value("the scope", text, fault, "files:read files:write")
}

fn value(what: &'static str, value: &str, fault: ValueFault, example: &'static str) -> ConfigError {
    ConfigError::Value { what, value: value.to_owned(), fault, example }
}

const OFFLINE_ACCESS: &str = "offline_access";
/// Arguments of tools can hold whole files.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// Whoever waits for longer holds a request open to no purpose.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
const RETRY_AFTER: Duration = Duration::from_secs(5);
