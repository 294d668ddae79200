/** A command with several names processes each of them, even if one fails; the failures are reported at the end. */
import { realSystem } from '../base.ts'
import { ClientError } from '../client.ts'
import { CommandFailed, show } from './output.ts'
import { barOnTerminal } from './progress-line.ts'

/** Reports first what was deleted, then what was not. */
export async function deleteEach(
  names: readonly string[],
  json: boolean | undefined,
  remove: (name: string) => Promise<void>,
): Promise<void> {
  const removeOne = async (name: string) => {
    await remove(name)
    return name
  }
  await changeEach(names, json, removeOne, {}, 'deleted', name => `${name} deleted\n`)
}

/** The same for other changes; `common` and the list `changed` are in the JSON. */
export async function changeEach<Changed>(
  names: readonly string[],
  json: boolean | undefined,
  change: (name: string) => Promise<Changed>,
  common: object,
  changed: string,
  textOf: (changed: Changed) => string,
): Promise<void> {
  const { done, failed } = await each(names, change)
  await show(json, { ...common, [changed]: done, failed }, () => done.map(textOf).join(''))
  fail(failed)
}

/** Shows what was found, then reports what was not. */
export async function describeEach<Found>(
  names: readonly string[],
  json: boolean | undefined,
  describe: (name: string) => Promise<Found>,
  textOf: (found: Found) => string,
): Promise<void> {
  const { done, failed } = await each(names, describe)
  if (done.length > 0 || failed.length === 0) await show(json, done, () => done.map(textOf).join('\n'))
  fail(failed)
}

interface Failed {
  readonly name: string
  readonly error: string
}

async function each<Result>(
  names: readonly string[],
  work: (name: string) => Promise<Result>,
): Promise<{ done: Result[]; failed: Failed[] }> {
  const done: Result[] = []
  const failed: Failed[] = []
  const progress = barOnTerminal(realSystem())
  for (const [index, name] of names.entries()) {
    progress?.show('each', () => ({ part: index / names.length, text: `${index} of ${names.length}: ${name}` }))
    try {
      done.push(await work(name))
    } catch (error) {
      if (!(error instanceof ClientError) || !isAboutName(error)) throw error
      const words = error.message.includes(name) ? error.message : `${name}: ${error.message}`
      failed.push({ name, error: `${error.code}: ${words}` })
    }
  }
  progress?.end()
  return { done, failed }
}

function fail(failed: readonly Failed[]): void {
  if (failed.length > 0) throw new CommandFailed(failed.map(({ error }) => error).join('\nmillrace: '))
}

/** The others (no broker, no login) would fail for every name. */
function isAboutName({ code }: ClientError): boolean {
  return !['UNREACHABLE', 'TIMEOUT', 'REFUSED', 'INVALID', 'FAILED'].includes(code)
}
