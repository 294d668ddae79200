/** The properties that a Java client or tool needs to connect to a secured broker. */
import { writeFileSync } from 'node:fs'
import type { Properties } from './brokers.ts'
import type { Credentials, Secured } from './secured.ts'

export type Mechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

const loginModules = {
  PLAIN: 'org.apache.kafka.common.security.plain.PlainLoginModule',
  'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule',
}

/** Over SASL_SSL, with the address. */
export function javaLogin({ bootstraps, files }: Secured, { name, password }: Credentials, mechanism: Mechanism = 'PLAIN'): Properties {
  return {
    'bootstrap.servers': bootstraps.SASL_SSL,
    'security.protocol': 'SASL_SSL',
    'sasl.mechanism': mechanism,
    'sasl.jaas.config': `${loginModules[mechanism]} required username="${name}" password="${password}";`,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': files.ca,
  }
}

/** As a file that Java reads. */
export function writeProperties(file: string, properties: Properties): string {
  writeFileSync(
    file,
    Object.entries(properties)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
  return file
}
