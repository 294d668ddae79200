/** The name, written again by who deletes: a URL that is called by mistake deletes nothing. */
import { Type } from 'typebox'
import { HttpError } from '../http.ts'

export const Confirmed = Type.Object({ confirm: Type.String() })

export function requireConfirmed(confirm: string, name: string): void {
  if (confirm !== name) throw new HttpError(400, 400, `To confirm, repeat the name: confirm=${name}`)
}
