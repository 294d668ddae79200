/** `millrace user create --offline`: writes the first user to the data directory of a stopped broker. */
import { realSystem } from '../base.ts'
import { jsonLogger, writeScramCredential } from '../broker.ts'
import { CommandFailed, show } from './output.ts'
import { newPassword } from './secret.ts'
import { configFrom, explain, type StartFlags } from './start.ts'
import type { CredentialFlags } from './user.ts'

export type OfflineFlags = CredentialFlags & Pick<StartFlags, 'config' | 'data'>

export async function createFirstUser(user: string, flags: OfflineFlags): Promise<void> {
  const system = realSystem()
  const { config: file, data, iterations } = flags
  const config = configFrom({ ...(file === undefined ? {} : { config: file }), ...(data === undefined ? {} : { data }) }, system)
  const mechanism = `SCRAM-${flags.scram}` as const
  const credential = { user, password: await newPassword(user), mechanism, iterations }
  let directory: string
  try {
    directory = await writeScramCredential({ system, config, logger: jsonLogger('warn') }, credential)
  } catch (error) {
    throw new CommandFailed(`cannot write the user: ${explain(error as Error)}`)
  }
  await show(
    flags.json,
    { user, mechanism, iterations, directory },
    () => `${user} written to ${directory} (${mechanism}, ${iterations} iterations)\n`,
  )
}
