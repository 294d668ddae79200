/** A configuration while somebody writes it, and what the worker says about it: a value is looked at when it is no longer being typed. */
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'

export type Config = Record<string, string>

export interface Draft {
  readonly config: Config
  /** As it was when something was done last. */
  readonly settled: Config
  readonly isChanged: boolean
  /** '' is a value like none. `settle`: it is done. */
  change(changes: Readonly<Config>, settle?: boolean): void
  replace(config: Config): void
  /** The value of this key is done. */
  touch(key: string): void
  /** All of it is done. */
  settle(): void
  /** Whether what is wrong with this key may be said. */
  tells(key: string): boolean
}

export function useDraft(before: Config): Draft {
  const [first] = useState(before)
  const [config, setConfig] = useState(first)
  const [settled, setSettled] = useState(first)
  /** null: all. */
  const [touched, setTouched] = useState<ReadonlySet<string> | null>(new Set())
  return {
    config,
    settled,
    isChanged: config !== first,
    change(changes, settle = false) {
      const next = Object.fromEntries(Object.entries({ ...config, ...changes }).filter(([, value]) => value !== ''))
      setConfig(next)
      if (settle) setSettled(next)
    },
    replace: setConfig,
    touch(key) {
      if (touched !== null) setTouched(new Set([...touched, key]))
      setSettled(config)
    },
    settle() {
      setTouched(null)
      setSettled(config)
    },
    tells: key => touched?.has(key) ?? true,
  }
}

export function withName(name: string, className: string, config: Config): Config {
  return { ...config, name, 'connector.class': config['connector.class'] ?? className }
}

export function check(className: string, config: Config, signal?: AbortSignal) {
  return call('POST /connector-plugins/:class/check', { params: { class: className }, body: { config } }, signal)
}

export function useCheck(className: string, config: Config) {
  return useQuery({
    queryKey: ['POST /connector-plugins/:class/check', className, config],
    queryFn: ({ signal }) => check(className, config, signal),
    placeholderData: earlier => earlier,
    staleTime: Number.POSITIVE_INFINITY,
  })
}
