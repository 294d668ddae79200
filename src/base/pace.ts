/**
 * How much of a message is read or written in one go. Two ways: all of it, and if that is more than allowed, {@link TooManyElements} is
 * thrown; or with pauses, of which {@link pauseDue} tells. What takes time are elements of collections, long texts and tagged fields.
 *
 * Functions over what readers and writers have in common, not a class that they extend: that cost a tenth of all that a small request costs.
 */

/** A message has more elements than may be read, or written, in one go, or texts that are too long for that. */
export class TooManyElements extends Error {
  constructor() {
    super('more elements or longer texts than may be read or written in one go')
    this.name = 'TooManyElements'
  }
}

/** As much text takes about as long as one element. */
const elementBytes = 128
/** Between two pauses. */
const elementsAtOnce = 256
/** More than any message has. JavaScript's engine would put a larger number, or infinity, on the heap. */
export const unlimited = 2 ** 30 - 1

export interface Paced {
  /** So many elements collections may still have, all together: the business of whoever reads or writes collections. */
  elementsLeft: number
  /** Elements read or written so far, with pauses. */
  elementsDone: number
  /** Bytes of text until the next pause, or at all where there is none. */
  textLeft: number
  pauses: boolean
}

/** Only so many elements, and as much text. */
export function allow(paced: Paced, elements: number): void {
  paced.elementsLeft = elements
  paced.textLeft = Math.min(unlimited, elements * elementBytes)
}

/** There will be pauses. */
export function beginPauses(paced: Paced): void {
  paced.pauses = true
  paced.textLeft = elementsAtOnce * elementBytes
}

/** After each element: whether it is time for a pause. */
export function pauseDue(paced: Paced): boolean {
  if (++paced.elementsDone % elementsAtOnce !== 0 && paced.textLeft >= 0) return false
  paced.textLeft = elementsAtOnce * elementBytes
  return true
}

/** Throws {@link TooManyElements} when `count` more would be too many. */
export function claimElements(paced: Paced, count: number): void {
  paced.elementsLeft -= count
  if (paced.elementsLeft < 0) throw new TooManyElements()
}

/** For what is not an element, but takes as long as so many bytes of text. */
export function spend(paced: Paced, bytes: number): void {
  paced.textLeft -= bytes
  if (paced.textLeft < 0 && !paced.pauses) throw new TooManyElements()
}
