/**
 * For tests: a network, names and TLS in memory, programs in simulated time, and samples of searches.
 *
 * @since 0.1.0
 */
export * as DnsMemory from "./DnsMemory.js"
export * as NetMemory from "./NetMemory.js"
export * as Sampling from "./Sampling.js"
export * as Simulation from "./Simulation.js"
export * as SimulationClock from "./SimulationClock.js"
export * as TlsMemory from "./TlsMemory.js"
