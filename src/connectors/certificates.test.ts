import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetriableError } from '../connector.ts'
import { isUntrusted } from './certificates.ts'
import { failure as mysqlFailure } from './mysql-cdc/connection.ts'
import { failure as postgresqlFailure } from './postgresql-cdc/connection.ts'

const errorOf = (code: string, message: string) => Object.assign(new Error(message), { code })

test('a certificate that is not accepted fails for good, and a connection that is reset does not', () => {
  const refused = [
    errorOf('SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain'),
    errorOf('ERR_TLS_CERT_ALTNAME_INVALID', "Hostname/IP does not match certificate's altnames"),
    errorOf('CERT_HAS_EXPIRED', 'certificate has expired'),
    errorOf('HANDSHAKE_SSL_ERROR', 'self-signed certificate'),
  ]
  const passing = [errorOf('ECONNRESET', 'read ECONNRESET'), errorOf('HANDSHAKE_SSL_ERROR', 'read ECONNRESET')]
  for (const failure of [mysqlFailure, postgresqlFailure]) {
    for (const error of refused) assert.ok(isUntrusted(error) && !(failure(error) instanceof RetriableError), error.message)
    for (const error of passing) assert.ok(failure(error) instanceof RetriableError, error.message)
  }
})
