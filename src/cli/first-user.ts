/** `millrace user create --offline`: writes the first user to the data directory of a stopped broker, or to the database of a cluster. */
import { realSystem } from '../base.ts'
import { writeScramCredential } from '../broker.ts'
import { jsonLogger } from '../logger.ts'
import { type Stores, withStores } from './cluster.ts'
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
  const write = async (stores?: Stores) => {
    const options = { system, config, logger: jsonLogger('warn'), ...(stores === undefined ? {} : { stores }) }
    try {
      return await writeScramCredential(options, credential)
    } catch (error) {
      throw new CommandFailed(`cannot write the user: ${explain(error as Error)}`)
    }
  }
  const [cluster, objects] = [config.get('cluster'), config.get('objects')]
  const directory = await (cluster === null || objects === null ? write() : withStores({ cluster, objects }, write))
  await show(
    flags.json,
    { user, mechanism, iterations, directory },
    () => `${user} written to ${directory} (${mechanism}, ${iterations} iterations)\n`,
  )
}
