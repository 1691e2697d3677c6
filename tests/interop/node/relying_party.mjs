// A relying party on openid-client, told what to do by lines of JSON on standard input; one line of JSON answers each.
import { createInterface } from 'node:readline'
import * as oidc from 'openid-client'

let config
const attempts = new Map()

const commands = {
  async discover({ issuer, client_id, client_secret }) {
    const auth = client_secret ? oidc.ClientSecretBasic(client_secret) : oidc.None()
    config = await oidc.discovery(new URL(issuer), client_id, undefined, auth)
    // The library trusts TLS for the code flow; this makes it check the signatures as well.
    oidc.enableNonRepudiationChecks(config)
    return config.serverMetadata()
  },

  async begin({ redirect_uri, scope, ...more }) {
    const verifier = oidc.randomPKCECodeVerifier()
    const state = oidc.randomState()
    const nonce = oidc.randomNonce()
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri,
      scope,
      state,
      nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...more,
    })
    attempts.set(state, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true })
    return { url: url.href }
  },

  async finish({ callback, max_age }) {
    const checks = attempts.get(new URL(callback).searchParams.get('state'))
    const tokens = await oidc.authorizationCodeGrant(config, new URL(callback), { ...checks, maxAge: max_age })
    return { tokens, claims: tokens.claims() }
  },

  async refresh({ refresh_token }) {
    const tokens = await oidc.refreshTokenGrant(config, refresh_token)
    return { tokens, claims: tokens.claims() }
  },

  userinfo: ({ access_token, sub }) => oidc.fetchUserInfo(config, access_token, sub),
  introspect: ({ token }) => oidc.tokenIntrospection(config, token),
  revoke: async ({ token }) => (await oidc.tokenRevocation(config, token), {}),
  client_credentials: ({ scope, resource }) => oidc.clientCredentialsGrant(config, { scope, resource }),
  logout: ({ id_token_hint, post_logout_redirect_uri }) => ({
    url: oidc.buildEndSessionUrl(config, { id_token_hint, post_logout_redirect_uri }).href,
  }),
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...parameters } = JSON.parse(line)
  let answer
  try {
    answer = { result: await commands[command](parameters) }
  } catch (error) {
    answer = { refused: error.error ?? error.code ?? error.name, status: error.status ?? null, message: error.message }
  }
  console.log(JSON.stringify(answer))
}
