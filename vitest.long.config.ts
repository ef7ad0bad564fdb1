/** The settings of `npm run test:long`: every seed, step and cut, of which `npm test` tries a sample. */
import { defineConfig, mergeConfig } from "vitest/config"
import base from "./vitest.config.js"

// Every seed, step and cut of the network, of which `npm test` tries a sample (Sampling in @copas/core/testing).
export default mergeConfig(base, defineConfig({ test: { env: { COPAS_TEST: "long" }, testTimeout: 600_000 } }))
