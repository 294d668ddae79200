/** A command with several names processes each of them, even if one fails; the failures are reported at the end. */
import { ClientError } from '../client.ts'
import { CommandFailed, show } from './output.ts'

/** Reports first what was deleted, then what was not. */
export async function deleteEach(
  names: readonly string[],
  json: boolean | undefined,
  remove: (name: string) => Promise<void>,
): Promise<void> {
  const deleted: string[] = []
  const failed: { name: string; error: string }[] = []
  for (const name of names) {
    try {
      await remove(name)
      deleted.push(name)
    } catch (error) {
      if (!(error instanceof ClientError) || !isAboutName(error)) throw error
      failed.push({ name, error: `${error.code}: ${name}: ${error.message}` })
    }
  }
  await show(json, { deleted, failed }, () => deleted.map(name => `${name} deleted\n`).join(''))
  if (failed.length > 0) throw new CommandFailed(failed.map(({ error }) => error).join('\nmillrace: '))
}

/** The others (no broker, no login) would fail for every name. */
function isAboutName({ code }: ClientError): boolean {
  return !['UNREACHABLE', 'TIMEOUT', 'REFUSED', 'INVALID', 'FAILED'].includes(code)
}
