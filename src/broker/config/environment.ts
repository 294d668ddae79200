/**
 * `MILLRACE_LOG_DIRS` and `KAFKA_LOG_DIRS` for `log.dirs`: the rule of Kafka's container image, `_` for `.`, `__` for `_`, `___` for `-`.
 * Bitnami's image has the prefix KAFKA_CFG_.
 *
 * Kafka's scripts also use variables that start with KAFKA_, and so does Kubernetes for the addresses of a service named kafka. So an
 * unknown KAFKA_ variable causes only a note, not an error. MILLRACE_ is ours alone.
 */
import type { Given } from './broker-config.ts'
import type { Source } from './load.ts'

/** What Kafka's own scripts and images, or Millrace's command line and tests, read for other purposes. */
const notConfig = new Set(
  `KAFKA_HEAP_OPTS KAFKA_OPTS KAFKA_JVM_PERFORMANCE_OPTS KAFKA_GC_LOG_OPTS KAFKA_LOG4J_OPTS KAFKA_LOG4J_ROOT_LOGLEVEL KAFKA_LOG4J_LOGGERS
KAFKA_TOOLS_LOG4J_LOGLEVEL KAFKA_LOG4J_CMD_OPTS KAFKA_JMX_OPTS KAFKA_JMX_PORT KAFKA_JMX_HOSTNAME KAFKA_DEBUG KAFKA_DEBUG_SUSPEND_FLAG
KAFKA_HOME KAFKA_VERSION KAFKA_CLUSTER_ID KAFKA_MODE KAFKA_CONFIG KAFKA_CFG KAFKA_SCALA_VERSION KAFKA_USER
MILLRACE_BOOTSTRAP MILLRACE_BROWSER MILLRACE_CA MILLRACE_CLIENT_CONFIG MILLRACE_CONFIG MILLRACE_FROM_PASSWORD MILLRACE_HOME MILLRACE_LAUNCHER
MILLRACE_LOG_LEVEL MILLRACE_MECHANISM MILLRACE_NEW_PASSWORD MILLRACE_PARENT MILLRACE_PASSWORD MILLRACE_POSTGRES_URL MILLRACE_REGISTRY
MILLRACE_REGISTRY_PASSWORD MILLRACE_S3_URL MILLRACE_TOKEN MILLRACE_TRIGGERS MILLRACE_USERNAME MILLRACE_VERSION`.split(/\s+/),
)
const serviceLink = /_(?:SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(?:TCP|UDP)\w*)$/
/** `MILLRACE_PORT` as Kubernetes sets it; another value was probably meant as the port of the broker. */
const serviceAddress = /^(?:tcp|udp|sctp):\/\//

export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Source[] {
  return [
    { values: read(environment, 'KAFKA_CFG_'), unknown: 'shared' },
    { values: read(environment, 'KAFKA_', 'KAFKA_CFG_'), unknown: 'shared' },
    { values: read(environment, 'MILLRACE_'), unknown: 'strict' },
  ]
}

function read(environment: Readonly<Record<string, string | undefined>>, prefix: string, except?: string): Map<string, Given> {
  const values = new Map<string, Given>()
  for (const [variable, text] of Object.entries(environment)) {
    if (except !== undefined && variable.startsWith(except)) continue
    if (text === undefined || !variable.startsWith(prefix) || notConfig.has(variable) || isServiceLink(variable, text)) continue
    values.set(keyName(variable.slice(prefix.length)), { text, from: `environment ${variable}` })
  }
  return values
}

function isServiceLink(variable: string, text: string): boolean {
  return serviceLink.test(variable) || (variable.endsWith('_PORT') && serviceAddress.test(text))
}

function keyName(variable: string): string {
  return variable.toLowerCase().replace(/_{1,3}/g, underscores => (underscores.length === 1 ? '.' : underscores.length === 2 ? '_' : '-'))
}
