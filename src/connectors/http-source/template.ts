/** Templates of requests: what castorm's connector takes of FreeMarker to put an offset into a request, and nothing else of it. */
import { microsOf } from '../values/temporal.ts'

const reference = /\$\{offset\.(\w+)(\?datetime\.iso\?long)?(?:!(?:"([^"]*)"|'([^']*)'))?\}/g

export function templateProblem(text: string): string | null {
  return /[$#]\{|<#/.test(text.replace(reference, ''))
    ? 'understands ${offset.NAME}, ${offset.NAME!"otherwise"} and ${offset.NAME?datetime.iso?long} only'
    : null
}

/** Throws for a property that the offset does not have. */
export function rendered(text: string, offset: ReadonlyMap<string, string>, encode = (value: string) => value): string {
  return text.replace(reference, (whole, name: string, isEpoch?: string, one?: string, other?: string) => {
    const value = offset.get(name)
    if (value === undefined) {
      const otherwise = one ?? other
      if (otherwise === undefined) throw new Error(`${whole}: the offset has no ${name}; http.offset.initial may give it one`)
      return encode(otherwise)
    }
    if (isEpoch === undefined) return encode(value)
    const micros = microsOf({ schema: null, value })
    if (micros === null) throw new Error(`${whole}: "${value}" is no time in ISO 8601`)
    return String(micros / 1_000n)
  })
}
