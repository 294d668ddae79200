/** Prompts on the terminal: for secrets, and for confirmation before something that cannot be undone. */
import { createInterface, type Interface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { CommandFailed, UsageError } from './output.ts'

const longestLine = 4_096

/** Does not echo. null: not a terminal. */
export async function askSecret(question: string): Promise<string | null> {
  if (!process.stdin.isTTY) return null
  process.stderr.write(question)
  // Readline echoes to its output, which goes nowhere.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return await answerTo(lines, '')
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}

/** Ctrl-C and Ctrl-D cancel the question. Exported for tests. */
export async function answerTo(lines: Interface, question: string): Promise<string> {
  const closed = new Promise<never>((_, reject) => lines.once('close', () => reject(new CommandFailed('cancelled'))))
  try {
    return await Promise.race([closed, lines.question(question)])
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw new CommandFailed('cancelled')
    throw error
  }
}

/** The password of a new user: from MILLRACE_NEW_PASSWORD, typed twice, or the first line of standard input. */
export async function newPassword(user: string): Promise<string> {
  const password = process.env.MILLRACE_NEW_PASSWORD ?? (process.stdin.isTTY ? await typedTwice(user) : await firstLine())
  if (password === '') throw new UsageError('the password is empty; set MILLRACE_NEW_PASSWORD, or write the password to standard input')
  return password
}

async function typedTwice(user: string): Promise<string> {
  const first = await askSecret(`New password for ${user}: `)
  const second = await askSecret('Repeat the password: ')
  if (first !== second) throw new UsageError('the passwords do not match')
  return first ?? ''
}

async function firstLine(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.includes('\n')) break
    if (text.length > longestLine) throw new UsageError(`the password is longer than ${longestLine} characters`)
  }
  return text.split(/\r?\n/, 1)[0]!
}

/** True with `--yes`, or when the user confirms. */
export async function confirm(question: string, yes: boolean | undefined): Promise<boolean> {
  if (yes === true) return true
  if (!process.stdin.isTTY) throw new UsageError('not a terminal; pass --yes')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await answerTo(lines, `${question} [y/N] `)).trim())
  } finally {
    lines.close()
  }
}
