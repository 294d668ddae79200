/** What is wrong with an expression, or with a record under it, and where in its text. */

export class ExprError extends Error {
  /** Index of a character in the expression; null: nowhere in particular. */
  readonly position: number | null

  constructor(message: string, position: number | null = null, cause?: unknown) {
    super(message, { cause })
    this.name = 'ExprError'
    this.position = position
  }
}

export const longestExpression = 10_000
