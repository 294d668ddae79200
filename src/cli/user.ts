/** `millrace user …`: SCRAM credentials. */
import { ClientError, type ScramMechanism } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, show, table, UsageError } from './output.ts'
import { newPassword } from './secret.ts'

/** Kafka's names without what they share. */
type Hash = 'SHA-256' | 'SHA-512'

export async function listUsers(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  const users = await client.scramUsers(names)
  await show(flags.json, users, () =>
    users.length === 0
      ? 'There are no SCRAM users. Create one with millrace user create.\n'
      : table(
          ['USER', 'MECHANISM', 'ITERATIONS'],
          users.flatMap(({ user, credentials }) => credentials.map(each => [user, each.mechanism, each.iterations])),
        ),
  )
}

export interface CredentialFlags extends ClientFlags {
  scram: Hash
  iterations: number
}

export async function createUser(user: string, flags: CredentialFlags & { config?: string; data?: string }): Promise<void> {
  if (flags.data !== undefined) throw new UsageError('--data requires --offline')
  await setCredential(user, flags, 'created')
}

export async function alterUser(user: string, flags: CredentialFlags): Promise<void> {
  await setCredential(user, flags, 'altered')
}

async function setCredential(user: string, flags: CredentialFlags, done: 'created' | 'altered'): Promise<void> {
  await using client = await connect(flags)
  const mechanism: ScramMechanism = `SCRAM-${flags.scram}`
  const exists = await client.scramUsers([user]).then(
    ([found]) => found!.credentials.some(each => each.mechanism === mechanism),
    error => {
      if (error instanceof ClientError && error.code === 'RESOURCE_NOT_FOUND') return false
      throw error
    },
  )
  if (exists && done === 'created')
    throw new CommandFailed(`${user} already has a ${mechanism} credential; change it with millrace user alter`)
  if (!exists && done === 'altered') throw new CommandFailed(`${user} has no ${mechanism} credential; create one with millrace user create`)
  const { iterations } = flags
  await client.setScramCredential({ user, password: await newPassword(user), mechanism, iterations })
  await show(flags.json, { user, mechanism, iterations, [done]: true }, () => `${user} ${done} (${mechanism}, ${iterations} iterations)\n`)
}

export async function deleteUsers(names: string[], flags: ClientFlags & { scram?: Hash }): Promise<void> {
  await using client = await connect(flags)
  const deleted: { user: string; mechanism: ScramMechanism }[] = []
  for (const { user, credentials } of await client.scramUsers(names)) {
    const chosen = credentials.filter(each => flags.scram === undefined || each.mechanism === `SCRAM-${flags.scram}`)
    if (chosen.length === 0) throw new CommandFailed(`${user} has no SCRAM-${flags.scram} credential`)
    for (const { mechanism } of chosen) {
      await client.deleteScramCredential(user, mechanism)
      deleted.push({ user, mechanism })
    }
  }
  await show(flags.json, { deleted }, () => deleted.map(({ user, mechanism }) => `${user} deleted (${mechanism})\n`).join(''))
}
