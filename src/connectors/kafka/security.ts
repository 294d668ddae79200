/** How another Kafka is reached safely: the keys of Kafka's clients, as in a client.properties, behind a prefix. */
import { password, string } from '../../connector.ts'

const security = {
  'security.protocol': string({ default: null, doc: 'PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. Default: PLAINTEXT.' }),
  'sasl.mechanism': string({ default: null, doc: 'PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.' }),
  'sasl.jaas.config': password({ doc: 'The login, as in a client.properties.' }),
  'sasl.oauthbearer.token.endpoint.url': string({ default: null, importance: 'low', doc: 'Where tokens come from.' }),
  'sasl.oauthbearer.client.credentials.client.id': string({ default: null, importance: 'low', doc: 'Client id at that endpoint.' }),
  'sasl.oauthbearer.client.credentials.client.secret': password({ importance: 'low', doc: 'Client secret at that endpoint.' }),
  'sasl.oauthbearer.scope': string({ default: null, importance: 'low', doc: 'Scope of the tokens.' }),
  'ssl.truststore.location': string({ default: null, doc: 'File of the authorities that are trusted: PEM or PKCS12.' }),
  'ssl.truststore.password': password({ doc: 'Password of the file of authorities.' }),
  'ssl.truststore.certificates': string({ default: null, importance: 'low', doc: 'The authorities in PEM, instead of a file.' }),
  'ssl.keystore.location': string({ default: null, importance: 'low', doc: 'File of the own certificate and key: PEM or PKCS12.' }),
  'ssl.keystore.password': password({ importance: 'low', doc: 'Password of the file of the own certificate.' }),
  'ssl.keystore.key': password({ importance: 'low', doc: 'The own key in PEM, instead of a file.' }),
  'ssl.keystore.certificate.chain': string({ default: null, importance: 'low', doc: 'The own certificate in PEM, instead of a file.' }),
  'ssl.key.password': password({ importance: 'low', doc: 'Password of the own key.' }),
  'ssl.endpoint.identification.algorithm': string({
    default: null,
    importance: 'low',
    doc: 'https: names in certificates are checked; empty: they are not. Default: https.',
  }),
  'ssl.enabled.protocols': string({ default: null, importance: 'low', doc: 'TLSv1.2, TLSv1.3 or both.' }),
} as const

type Security = typeof security
type Behind<P extends string> = { readonly [K in keyof Security as `${P}${K}`]: Security[K] }

/** `whose`: what the docs of the keys begin with. */
export function securityKeys<P extends string>(prefix: P, whose: string): Behind<P> {
  const keys = Object.entries(security).map(([name, key]) => [prefix + name, { ...key, doc: `${whose}: ${lower(key.doc)}` }])
  return Object.fromEntries(keys) as Behind<P>
}

const lower = (text: string) => (/^[A-Z][a-z]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text)

/** Those that are given, as Kafka's clients have them. */
export function securityProperties(prefix: string, config: Readonly<Record<string, unknown>>): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of Object.keys(security)) {
    const value = config[prefix + name]
    if (typeof value === 'string') found[name] = value
  }
  return found
}
