/** Keys of the services process, which `millrace start` runs beside the broker. The broker itself does not use them. */
import { type Declarations, int, intBytes, list, password, string } from '../../../base.ts'

const port = (value: number, doc: string) => int({ default: value, min: 0, max: 65_535, doc })

export const servicesKeys = {
  services: list({
    default: '',
    oneOf: ['console', 'registry', 'rest'],
    doc: 'Services that `millrace start` runs in a process beside the broker, and that `millrace services` runs. Empty: none.',
  }),
  'services.host': string({
    default: '127.0.0.1',
    doc: 'Address on which the services listen. On another address than loopback, the broker should require a login.',
  }),
  'services.allowed.hosts': list({
    default: '',
    doc: 'Host names under which clients reach the services, besides localhost and addresses; * allows all. Requests for other names are refused, because pages on the web could otherwise reach the services through a name of their own (DNS rebinding).',
  }),
  'services.cors.origins': list({
    default: '',
    doc: 'Origins such as https://app.example whose pages may use the services from a browser; * allows all.',
  }),
  'services.max.body.bytes': intBytes({
    default: 16_777_216,
    min: 1024,
    doc: 'Maximum size of the body of a request to a service.',
  }),
  'console.port': port(8080, 'Port of the web console.'),
  'registry.port': port(8081, 'Port of the schema registry.'),
  'rest.port': port(8082, 'Port of the REST proxy.'),
  'schema.registry.url': string({
    default: '',
    doc: 'Schema registry of the REST proxy and the console, such as http://registry:8081; several addresses are separated by commas. Empty: the registry of the same process, if `services` names it, with the credentials of whoever asks.',
  }),
  'schema.registry.basic.auth.user.info': password({
    doc: 'User and password for schema.registry.url, as user:password.',
  }),
  'rest.max.in.flight.bytes': intBytes({
    default: 67_108_864,
    min: 65_536,
    doc: 'Maximum size of all records that the REST proxy has sent to Kafka and that are not stored yet; a single user may have half of it. Beyond it requests get status 429 with Retry-After, and streams of records are read later.',
  }),
  'rest.consumer.instance.timeout.ms': int({
    default: 300_000,
    min: 100,
    doc: 'Consumer instances of the REST proxy (v2) that are not used for this long are deleted.',
  }),
  'rest.max.consumer.instances': int({
    default: 100,
    min: 1,
    doc: 'Maximum number of consumer instances (v2) and of readers of a group (v3) that one user of the REST proxy may have.',
  }),
} satisfies Declarations
