/** SCRAM credentials. A password never leaves this process; brokers get derived keys. */
import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import type { System } from '../base.ts'
import { apis, errorCode } from '../protocol.ts'
import type { NewScramCredential, ScramMechanism, ScramUser } from './administration.ts'
import { type Requests, refuse } from './requests.ts'

const mechanisms = {
  'SCRAM-SHA-256': { code: 1, hash: 'sha256', bytes: 32 },
  'SCRAM-SHA-512': { code: 2, hash: 'sha512', bytes: 64 },
} as const
const saltBytes = 32

export async function scramUsers(requests: Requests, names: readonly string[]): Promise<ScramUser[]> {
  const users = names.length === 0 ? null : [...new Set(names)].map(name => ({ name }))
  const response = await requests.ask(apis.describeUserScramCredentials, { users })
  refuse(response.errorCode, response.errorMessage)
  const found: ScramUser[] = []
  for (const { user, credentialInfos, errorCode: code, errorMessage } of response.results) {
    refuse(code, code === errorCode('RESOURCE_NOT_FOUND') ? `${user} has no SCRAM credentials` : errorMessage)
    found.push({ user, credentials: credentialInfos.map(({ mechanism, iterations }) => ({ mechanism: nameOf(mechanism), iterations })) })
  }
  return found.sort((a, b) => (a.user < b.user ? -1 : 1))
}

function nameOf(code: number): ScramMechanism {
  return code === mechanisms['SCRAM-SHA-256'].code ? 'SCRAM-SHA-256' : 'SCRAM-SHA-512'
}

export async function setScramCredential(requests: Requests, system: System, credential: NewScramCredential): Promise<void> {
  const { user: name, password, mechanism, iterations } = credential
  const { code, hash, bytes } = mechanisms[mechanism]
  const salt = Buffer.alloc(saltBytes)
  system.random.fill(salt)
  const saltedPassword = await promisify(pbkdf2)(password, salt, iterations, bytes, hash)
  const upsertions = [{ name, mechanism: code, iterations, salt, saltedPassword }]
  const { results } = await requests.ask(apis.alterUserScramCredentials, { deletions: [], upsertions })
  for (const result of results) refuse(result.errorCode, result.errorMessage)
}

export async function deleteScramCredential(requests: Requests, user: string, mechanism: ScramMechanism): Promise<void> {
  const deletions = [{ name: user, mechanism: mechanisms[mechanism].code }]
  const { results } = await requests.ask(apis.alterUserScramCredentials, { deletions, upsertions: [] })
  for (const { errorCode: code, errorMessage } of results) {
    refuse(code, code === errorCode('RESOURCE_NOT_FOUND') ? `${user} has no ${mechanism} credential` : errorMessage)
  }
}
