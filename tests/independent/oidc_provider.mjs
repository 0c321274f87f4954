// An authorization server that nobody here wrote: npm oidc-provider with the device grant, on loopback, in memory.
// node oidc_provider.mjs NODE_MODULES PORT ISSUER DEVICE_CODE_SECONDS, introspection credentials in the environment.

import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const [modules, port, issuer, lifetime] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(join(modules, 'oidc-provider', 'lib', 'index.js')));

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: process.env.PDPP_INTROSPECTION_CLIENT_ID,
      client_secret: process.env.PDPP_INTROSPECTION_CLIENT_SECRET,
      grant_types: [],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  ],
  clientDefaults: { token_endpoint_auth_method: 'none' },
  cookies: { keys: ['signs the cookies of one test run'] },
  features: {
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
  },
  ttl: { AccessToken: 60, DeviceCode: Number(lifetime), Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
});

provider.listen(Number(port), '127.0.0.1', () => console.log(`ready: ${issuer}`));
