//! Authorization: the answer to a registry's challenge, Basic (RFC 7617) or Bearer (RFC 6750, and
//! distribution's token specification).

use bytes::Bytes;
use http_auth::{ChallengeRef, ParamValue, parse_challenges};
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use shipway_core::{Error, ErrorKind, Login, LoginKind, Result, Secret};

use super::{
    answer::{read, refused},
    exchange::{Call, Exchange},
    hosts::{may_lead_to, may_see_login},
    transfer::IDLE,
};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The most of a token server's answer that is read.
const TOKEN_LIMIT: usize = 1024 * 1024;

/// What a registry asks for.
#[derive(Debug, PartialEq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// The value of a header that authorizes.
#[derive(Debug)]
pub(super) enum Grant {
    /// For everything on the host.
    Password(HeaderValue),
    /// For what it was asked for.
    Token(HeaderValue),
}

/// Returns what answers the challenge of a refusal, or `None` when there is no login for what is asked.
/// A token is also for the `scope`, if that says anything.
pub(super) async fn answer(exchange: &Exchange, response: &Response, scope: &str) -> Result<Option<Grant>> {
    let Some(challenge) = challenge(response.headers()) else { return Ok(None) };
    let login = exchange.cx.login(&exchange.host).await?;
    match (challenge, login) {
        (Challenge::Basic, None) => Ok(None),
        (Challenge::Basic, Some(login)) if login.kind == LoginKind::Password => {
            basic(&login).map(|value| Some(Grant::Password(value)))
        }
        (Challenge::Basic, Some(_)) => {
            Err(Error::new(ErrorKind::Auth, format!("registry `{}` asks for a password", exchange.host))
                .note("the login for it is a token, which only a token server takes"))
        }
        (Challenge::Bearer { .. }, Some(Login { kind: LoginKind::RegistryToken, password, .. })) => {
            bearer(password.expose()).map(|value| Some(Grant::Token(value)))
        }
        (Challenge::Bearer { realm, service, scope: asked }, login) => {
            let mut scopes: Vec<&str> =
                asked.as_deref().unwrap_or_default().split_ascii_whitespace().collect();
            if !scope.is_empty() && !scopes.contains(&scope) {
                scopes.push(scope);
            }
            token(exchange, login, &realm, service.as_deref(), &scopes).await.map(Some)
        }
    }
}

/// Returns the strongest challenge that is understood; a token shows less than a password.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        // A header that cannot be read asks for nothing.
        let Some(challenges) = header.to_str().ok().and_then(|text| parse_challenges(text).ok()) else {
            continue;
        };
        for challenge in challenges {
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            } else if challenge.scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = parameter(&challenge, "realm")
            {
                let (service, scope) = (parameter(&challenge, "service"), parameter(&challenge, "scope"));
                return Some(Challenge::Bearer { realm, service, scope });
            }
        }
    }
    basic
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let is = |(key, _): &&(&str, ParamValue<'_>)| key.eq_ignore_ascii_case(name);
    challenge.params.iter().find(is).map(|(_, value)| value.to_unescaped())
}

fn basic(login: &Login) -> Result<HeaderValue> {
    let encoded = http_auth::basic::encode_credentials(&login.username, login.password.expose());
    authorization(&encoded)
}

fn bearer(token: &str) -> Result<HeaderValue> {
    authorization(&format!("Bearer {token}"))
}

fn authorization(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::bad_output("a token has characters that no header can have"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Gets a token of the server that the registry names. It sees the registry's login only if it is the
/// registry's own, or known to be; else it is asked for what anybody may have.
async fn token(
    exchange: &Exchange,
    login: Option<Login>,
    realm: &str,
    service: Option<&str>,
    scopes: &[&str],
) -> Result<Grant> {
    let host = &exchange.host;
    let wrong = |what: &str| {
        Error::bad_output(format!("registry `{host}` names a token server that {what}")).note(format!(
            "it is `{}`",
            realm.chars().filter(|c| !c.is_control()).take(200).collect::<String>()
        ))
    };
    let mut url = Url::parse(realm).map_err(|_| wrong("is no URL"))?;
    let named = exchange.client.is_token_server(host, &url);
    if !named && !may_lead_to(&exchange.base, &url) {
        return Err(wrong("must not be asked"));
    }
    let shown = named || may_see_login(&exchange.base, &url);
    let (call, header) = match login.as_ref().filter(|_| shown) {
        Some(login) if login.kind == LoginKind::IdentityToken => {
            let form = refresh(login, service, scopes);
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, FORM)]);
            (Call::new(Method::POST, url).headers(headers).body(form), None)
        }
        login => {
            {
                let mut query = url.query_pairs_mut();
                service.map(|service| query.append_pair("service", service));
                // distribution's token specification: several scopes are several parameters.
                for scope in scopes {
                    query.append_pair("scope", scope);
                }
            }
            (Call::new(Method::GET, url), login.map(basic).transpose()?)
        }
    };
    let response = exchange.send_to(&call, header.as_ref()).await?;
    if response.status() != StatusCode::OK {
        let error = refused(host, "give a token", response).await;
        let kept =
            format!("the login for `{host}` was not shown to the token server, which is another host's");
        let hint = format!("name the server in the client's options for `{host}` if it may see the login");
        return Err(if login.is_some() && !shown { error.note(kept).hint(hint) } else { error });
    }
    let token = exchange.until_stopped(read(response, TOKEN_LIMIT, IDLE)).await?;
    let token = token.and_then(|body| serde_json::from_slice::<Token>(&body).ok());
    let token = token.and_then(|given| {
        let mut either = given.token.into_iter().chain(given.access_token);
        either.find(|token| !token.is_empty())
    });
    let token =
        token.ok_or_else(|| Error::bad_output(format!("the token server of `{host}` gives no token")))?;
    exchange.cx.mask(&Secret::from(token.clone()));
    bearer(&token).map(Grant::Token)
}

/// Returns the form that gets a token for an identity token (distribution's "OAuth2 Token
/// Authentication"; RFC 6749, section 6).
fn refresh(login: &Login, service: Option<&str>, scopes: &[&str]) -> Bytes {
    let mut form = Url::parse("form:").expect("a URL");
    let mut fields = form.query_pairs_mut();
    fields.append_pair("grant_type", "refresh_token").append_pair("client_id", "shipway");
    service.map(|service| fields.append_pair("service", service));
    fields.append_pair("scope", &scopes.join(" "));
    fields.append_pair("refresh_token", login.password.expose());
    drop(fields);
    form.query().unwrap_or_default().to_owned().into()
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// Returns the error for a registry that refuses for want of a login.
pub(super) fn no_login(host: &str) -> Error {
    Error::new(ErrorKind::Auth, format!("registry `{host}` asks for a login and there is none"))
        .hint(format!("give the context's credentials a login for `{host}`"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    proptest! {
        #[test]
        fn any_challenge_is_read_or_not(text in any::<Vec<u8>>(), scheme in "(Bearer |Basic )?") {
            let bytes = [scheme.as_bytes(), &text].concat();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                challenge(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]));
            }
        }
    }

    #[test]
    fn challenges_are_read_and_bearer_is_preferred() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
            }
            challenge(&headers)
        };
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        };
        assert_eq!(read(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        assert_eq!(
            read(&[r#"Bearer realm="https://a/t",service="s",scope="repository:a:pull,push""#]),
            Some(bearer("https://a/t", Some("s"), Some("repository:a:pull,push")))
        );
        assert_eq!(read(&[r#"Basic realm="x""#, r#"bearer REALM="r""#]), Some(bearer("r", None, None)));
        for nonsense in ["", "Bearer", r#"Bearer service="s""#, "Negotiate", r#"Bearer realm="unclosed"#] {
            let mut headers = HeaderMap::new();
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(nonsense));
            assert_eq!(challenge(&headers), None, "{nonsense}");
        }
    }
}
