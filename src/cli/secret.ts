/** Asking a person at the terminal: for what must not be seen, and before what cannot be undone. */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { UsageError } from './output.ts'

const longestLine = 4_096

/** What is typed is not shown. null: there is nobody to ask. */
export async function askSecret(question: string): Promise<string | null> {
  if (!process.stdin.isTTY) return null
  process.stderr.write(question)
  // Readline echoes to its output, which goes nowhere.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return await lines.question('')
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}

/** Of a user to be made: from MILLRACE_NEW_PASSWORD, typed twice, or the first line of standard input. */
export async function newPassword(user: string): Promise<string> {
  const password = process.env.MILLRACE_NEW_PASSWORD ?? (process.stdin.isTTY ? await typedTwice(user) : await firstLine())
  if (password === '') throw new UsageError('an empty password is none')
  return password
}

async function typedTwice(user: string): Promise<string> {
  const first = await askSecret(`New password of ${user}: `)
  const second = await askSecret('Once more: ')
  if (first !== second) throw new UsageError('the two passwords differ')
  return first ?? ''
}

async function firstLine(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.includes('\n')) break
    if (text.length > longestLine) throw new UsageError(`a password has at most ${longestLine} characters`)
  }
  return text.split(/\r?\n/, 1)[0]!
}

/** `--yes`, or a person says so. */
export async function confirm(question: string, yes: boolean | undefined): Promise<boolean> {
  if (yes === true) return true
  if (!process.stdin.isTTY) throw new UsageError('nobody is there to ask: say --yes')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim())
  } finally {
    lines.close()
  }
}
