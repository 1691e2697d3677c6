// The peer of load.bench: node-oidc-provider with the features the bench compares and nothing more. What is set here,
// and why it is fair, stands in load/README.md.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

import { RedisAdapter } from './redis_adapter.mjs';

const port = Number(process.env.PEER_PORT);
const issuer = `http://localhost:${port}`;
const DAY = 24 * 60 * 60;

const jwk = (kind, options, alg) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }),
  alg,
  use: 'sig',
  kid: alg,
});

// An access token for one of these resources is a JWT signed with the algorithm in its name.
const RESOURCES = { 'urn:bench:es256': 'ES256', 'urn:bench:rs256': 'RS256' };

const client = (id, more) => ({
  client_id: id,
  client_secret: process.env.PEER_CLIENT_SECRET,
  redirect_uris: ['http://127.0.0.1:8011/callback'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_basic',
  scope: 'openid profile email',
  id_token_signed_response_alg: 'ES256',
  ...more,
});

const provider = new Provider(issuer, {
  adapter: RedisAdapter,
  clients: [client('bench')],
  jwks: { keys: [jwk('ec', { namedCurve: 'P-256' }, 'ES256'), jwk('rsa', { modulusLength: 2048 }, 'RS256')] },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  claims: { openid: ['sub'], profile: ['name', 'given_name', 'family_name', 'locale', 'updated_at'], email: ['email', 'email_verified'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientAuthMethod !== 'none' },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: '',
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg: RESOURCES[resource] } },
      }),
    },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  // People are in memory here: an advantage of the peer, named in the README.
  findAccount: (ctx, sub) => ({
    accountId: sub,
    claims: () => ({
      sub,
      name: 'Ada Lovelace',
      given_name: 'Ada',
      family_name: 'Lovelace',
      locale: 'en-GB',
      updated_at: 1700000000,
      email: `${sub}@example.com`,
      email_verified: true,
    }),
  }),
  ttl: {
    AccessToken: 300,
    ClientCredentials: 300,
    AuthorizationCode: 60,
    IdToken: 300,
    RefreshToken: 30 * DAY,
    Session: 14 * DAY,
    Grant: 90 * DAY,
    Interaction: 900,
  },
});

provider.on('server_error', (ctx, error) => console.error(error.message));

// Signs in one person and remembers the consent: what the bench measures begins after that.
async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: 'ada' } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
createServer((request, response) => {
  if (request.url.startsWith('/interaction/')) {
    interact(request, response).catch((error) => {
      console.error(error.message);
      response.writeHead(500).end();
    });
    return;
  }
  answer(request, response);
}).listen(port, '127.0.0.1');
