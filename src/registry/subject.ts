/** Names of subjects: `:.context:name`, or the name alone in the default context. */

/** `:.context:`; '' for the default one. */
export type Context = string

export interface Subject {
  /** With a dot before it; `.` is the default context, `*` all of them. */
  readonly context: string
  readonly name: string
}

export const globalContext = '.__GLOBAL'
const defaultContext = '.'
const any = ':*:'

export function parseSubject(text: string): Subject {
  if (text.startsWith(any)) return { context: '*', name: text.slice(any.length) }
  if (!text.startsWith(':.')) return { context: defaultContext, name: text }
  const end = text.indexOf(':', 2)
  return end === -1 ? { context: text.slice(1), name: '' } : { context: text.slice(1, end), name: text.slice(end + 1) }
}

export function prefixOf(context: string): Context {
  return context === defaultContext ? '' : `:${context}:`
}

export function printSubject({ context, name }: Subject): string {
  return prefixOf(context) + name
}

/** Of a subject that is written in any way; null stays null. */
export function normalSubject(text: string): string {
  return printSubject(parseSubject(text))
}

export function contextOf(subject: string): string {
  return parseSubject(subject).context
}

/** `ctx`, `.ctx`, `:.ctx:` → `.ctx`. Throws RangeError. */
export function parseContext(text: string): string {
  const bare = text.replace(/^:/, '').replace(/:$/, '')
  if (bare.includes(':')) throw new RangeError(`Context name '${bare}' cannot contain a colon`)
  return bare.startsWith('.') || bare === '*' ? bare : `.${bare}`
}

/** Whether it names a context and no subject. */
export function isContext(subject: string): boolean {
  return parseSubject(subject).name === ''
}

export function isValidSubject(text: string, isConfigOrMode = false): boolean {
  const { context, name } = parseSubject(text)
  return !/\p{Cc}/u.test(text) && name !== '__GLOBAL' && name !== '__EMPTY' && (isConfigOrMode || context !== globalContext)
}

/** What a reference in `parent` means: names without a context are in that of the parent. */
export function subjectFrom(parent: string, subject: string): string {
  const own = parseSubject(subject)
  return own.context === defaultContext ? printSubject({ context: contextOf(parent), name: own.name }) : subject
}
