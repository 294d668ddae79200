/** Records as the application shows them. */
import { type Static, Type } from 'typebox'

const MaybeText = Type.Union([Type.String(), Type.Null()])

/** `text`: what the bytes are if they are text, otherwise the JSON of what a serde makes of them. `base64`: the bytes, because nothing explains them. */
const Shown = Type.Object({
  form: Type.Union([Type.Literal('text'), Type.Literal('base64')]),
  text: Type.String(),
  /** Of all the bytes, also if the text is cut. */
  bytes: Type.Integer(),
  cut: Type.Boolean(),
  /** Which serde made the text; null: the bytes are the text. */
  serde: MaybeText,
  schema: Type.Union([Type.Object({ type: Type.String(), name: MaybeText, id: Type.Union([Type.Integer(), Type.Null()]) }), Type.Null()]),
  /** Why the bytes could not be decoded. */
  problem: MaybeText,
})
export type Shown = Static<typeof Shown>
const MaybeShown = Type.Union([Shown, Type.Null()])

export const ShownRecord = Type.Object({
  partition: Type.Integer(),
  offset: Type.String(),
  /** Milliseconds since the epoch; -1: none. */
  timestamp: Type.String(),
  key: MaybeShown,
  value: MaybeShown,
  headers: Type.Array(Type.Object({ key: Type.String(), value: MaybeShown })),
})
export type ShownRecord = Static<typeof ShownRecord>
