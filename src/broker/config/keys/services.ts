/** Keys of the services process, which `millrace start` runs beside the broker. The broker itself does not use them. */
import { boolean, choice, type Declarations, int, intBytes, intMs, list, ms, password, string } from '../../../base.ts'

const port = (value: number, doc: string) => int({ default: value, min: 0, max: 65_535, doc })

export const servicesKeys = {
  services: list({
    default: 'console,registry,rest',
    oneOf: ['connect', 'console', 'registry', 'rest', 'triggers'],
    doc: 'Services that `millrace start` runs in a process beside the broker, also if there are several broker processes, and that `millrace services` runs. Empty: none. If it is not set, and the services cannot reach the broker as it is configured, the broker starts without them and says why.',
  }),
  'services.host': string({
    default: '127.0.0.1',
    doc: 'Address on which the services listen. Another address than loopback is refused if the listener in services.listener requires no login.',
  }),
  'services.listener': string({
    default: null,
    doc: 'Name of the listener through which the services reach the broker, and which decides how their users log in; by default the first one.',
  }),
  'services.tls': boolean({
    default: false,
    doc: 'Whether the services speak HTTPS, with the key and certificates of the listener in services.listener (ssl.keystore.*).',
  }),
  'services.client.config': string({
    default: null,
    doc: 'File with client properties (sasl.*, ssl.*) with which the services themselves log in. Without it, a broker on one machine whose listener offers SCRAM makes the user millrace-services with a new password at each start.',
  }),
  'services.sasl.mechanisms': list({
    default: null,
    doc: 'SASL mechanisms that users of the services may log in with; by default those of the listener or, for `millrace services`, that of its own login.',
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
  'services.max.connections': int({ default: 4_096, min: 1, doc: 'Maximum number of connections to one service.' }),
  'services.request.timeout.ms': intMs({
    default: 60_000,
    min: 1_000,
    doc: 'Maximum time from the first byte of a request to its last one. Streams of records to the REST proxy may take longer.',
  }),
  'services.trusted.proxies': list({
    default: '',
    doc: 'Addresses and networks of proxies in front of the services, whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host headers are believed.',
  }),
  'services.log.level': choice(['debug', 'info', 'warn', 'error'], {
    default: null,
    doc: 'Log level of the services; by default that of the broker. At debug, each request is logged.',
  }),
  'console.port': port(8080, 'Port of the web console.'),
  'console.session.idle.ms': ms({ default: 1_800_000, min: 1_000, doc: 'A login to the console ends after this time without a request.' }),
  'console.session.max.ms': ms({ default: 43_200_000, min: 1_000, doc: 'A login to the console ends after this time.' }),
  'console.oidc.issuer': string({
    default: null,
    doc: 'URL of the OpenID Connect provider with which people log in to the console; the broker must accept its tokens (OAUTHBEARER).',
  }),
  'console.oidc.client.id': string({
    default: null,
    doc: 'Client id of the console at the provider. Its redirect URI is /api/oidc/callback.',
  }),
  'console.oidc.client.secret': password({ doc: 'Client secret of the console at the provider; none for a public client.' }),
  'console.oidc.scopes': list({ default: 'openid', doc: 'Scopes that the console asks for; openid must be one of them.' }),
  'console.metrics.url': string({
    default: '',
    doc: "Address of the broker's metrics in Prometheus' format, such as http://localhost:9644/metrics, from which the console draws its plots. Empty: those of the broker that starts the console; with millrace services, what Kafka's protocol tells.",
  }),
  'registry.port': port(8081, 'Port of the schema registry.'),
  'registry.advertised.url': string({
    default: '',
    check: text => (text === '' || /^https?:\/\/[^\s/?#@]+\/?$/.test(text) ? null : 'Expected a URL such as http://registry-1:8081'),
    allowed: 'a URL without a path',
    doc: 'URL under which the other registries of the same cluster reach this one, such as http://registry-1:8081: they forward to the one that writes. Its host name is one of services.allowed.hosts. Empty: services.host, or the name of this machine if that is every address, and registry.port.',
  }),
  'connect.port': port(8083, "Port of Kafka Connect's REST API."),
  'connect.group.id': string({
    default: 'connect-cluster',
    doc: 'Name of the group of workers that share connectors; a worker.properties in connect.worker.config may say another one.',
  }),
  'connect.advertised.url': string({
    default: '',
    check: text => (text === '' || /^https?:\/\/[^\s/?#@]+\/?$/.test(text) ? null : 'Expected a URL such as http://connect-1:8083'),
    allowed: 'a URL without a path',
    doc: 'URL under which the other workers of the group reach this one, such as http://connect-1:8083. Its host name is one of services.allowed.hosts. Empty: services.host, or the name of this machine if that is every address, and connect.port.',
  }),
  'connect.worker.config': string({
    default: null,
    doc: "File with Kafka Connect's own keys (worker.properties): config.storage.topic, key.converter, plugin.path and others. What says how brokers and this worker are reached is ignored in it.",
  }),
  'connect.url': string({
    default: '',
    doc: 'Workers of Kafka Connect that the console shows, such as http://connect:8083; several addresses are separated by commas. They may be workers of Java. Empty: the worker of the same process, if `services` names it, with the credentials of whoever asks.',
  }),
  'connect.basic.auth.user.info': password({
    doc: 'User and password for connect.url, as user:password. Whoever uses them through the console needs DESCRIBE on the cluster, and ALTER to change something.',
  }),
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
  'rest.stream.idle.timeout.ms': int({
    default: 300_000,
    min: 100,
    doc: 'A stream of records to the REST proxy (v3) ends after so long without a record, and a stream of events from it if its reader takes nothing for so long.',
  }),
  'rest.stream.commit.delay.ms': int({
    default: 5_000,
    min: 0,
    doc: 'Records that a stream of events has sent to a member of a group are committed when its connection is still there after so long. Who breaks off before that is given them again.',
  }),
  'rest.max.consumer.instances': int({
    default: 100,
    min: 1,
    doc: 'Maximum number of consumer instances (v2) and of readers of a group (v3) that one user of the REST proxy may have.',
  }),
  'triggers.port': port(8084, 'Port of the API of function triggers.'),
  'triggers.max.runners': int({
    default: 8,
    min: 1,
    max: 1_000,
    doc: 'Maximum number of processes in which functions of triggers run at the same time; calls beyond it wait. Each process takes about 50 MB and what its function uses.',
  }),
} satisfies Declarations
