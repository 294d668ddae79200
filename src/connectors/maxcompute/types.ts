/** Types of columns as MaxCompute writes them: `decimal(38,18)`, `array<map<string,bigint>>`, `struct<name:string,tags:array<string>>`. */

export interface ColumnType {
  /** In lower case: `bigint`, `array`, … */
  readonly name: string
  /** Of char and varchar, in characters. */
  readonly length: number | null
  /** Within the angle brackets: an element; key and value; the fields. */
  readonly parts: readonly { readonly name: string; readonly type: ColumnType }[]
}

const deepest = 20

/** null: it is no type. */
export function parseType(text: string): ColumnType | null {
  const reader = new TypeReader(text)
  const type = reader.type(0)
  return type !== null && reader.isAtEnd ? type : null
}

class TypeReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get isAtEnd(): boolean {
    return this.#take(/\s*/y) !== null && this.#at === this.#text.length
  }

  type(depth: number): ColumnType | null {
    const name = this.#take(/\s*([a-z_]+)\s*/iy)?.[1]?.toLowerCase()
    if (name === undefined || depth > deepest) return null
    const length = this.#take(/\(\s*(\d+)\s*(?:,\s*\d+\s*)?\)/y)?.[1]
    const parts = this.#take(/</y) === null ? [] : this.#parts(name === 'struct', depth)
    return parts === null ? null : { name, length: length === undefined ? null : Number(length), parts }
  }

  #parts(hasNames: boolean, depth: number): ColumnType['parts'] | null {
    const parts: { name: string; type: ColumnType }[] = []
    do {
      const found = hasNames ? this.#take(/\s*(?:`([^`]+)`|([^\s:<>,`]+))\s*:/y) : null
      const name = found?.[1] ?? found?.[2] ?? ''
      const type = this.type(depth + 1)
      if (type === null || (hasNames && name === '')) return null
      parts.push({ name, type })
    } while (this.#take(/\s*,/y) !== null)
    return this.#take(/\s*>/y) === null ? null : parts
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found !== null) this.#at = pattern.lastIndex
    return found
  }
}
