#include "tests/support/plant_machine.h"

#include <cmath>
#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

Json Example() {
  std::ifstream file(MVMD_TEST_DATA "/profile/twin-complete.jsonld");
  return ParseJson(std::string(std::istreambuf_iterator<char>(file), {})).value();
}

TEST(PlantMachineTest, FirstOneIsTheExample) {
  const auto machine = MakePlantMachine(Example(), 1);
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_EQ(machine->twin, "twin-2024-001");
  EXPECT_EQ(Canonicalize(machine->document), Canonicalize(Example()));
}

TEST(PlantMachineTest, LaterOnesDifferInIdNameAndSerialNumber) {
  const auto machine = MakePlantMachine(Example(), 12);
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_EQ(machine->twin, "twin-2024-012");
  EXPECT_EQ(FindPointer(machine->document, "/identifier/value")->string(), "twin-2024-012");
  EXPECT_EQ(FindPointer(machine->document, "/name")->string(), "Manufacturing Robot Digital Twin 12");
  EXPECT_EQ(FindPointer(machine->document, "/subjectOf/serialNumber")->string(), "IR-2024-X7-53");
}

TEST(PlantMachineTest, TakesRatesFromTheDocument) {
  const auto machine = MakePlantMachine(Example(), 1);
  ASSERT_TRUE(machine.ok()) << machine.status();
  ASSERT_EQ(machine->sensors.size(), 3u);
  EXPECT_EQ(machine->sensors[0].rate_hz, 10);
  EXPECT_EQ(machine->sensors[1].rate_hz, 50);
  EXPECT_EQ(machine->sensors[2].rate_hz, 5);
}

TEST(PlantMachineTest, RefusesAnExampleWithoutSensors) {
  Json example = Example();
  example.Remove("sensors");
  EXPECT_FALSE(MakePlantMachine(example, 1).ok());
}

TEST(PlantMachineTest, WritesPayloadsAsTheProfileDoes) {
  PlantSensor sensor;
  sensor.id = "temp-1";
  sensor.unit = "celsius";
  EXPECT_EQ(PlantPayload(sensor, 43.1, 1'710'513'005'250'000'000),
            R"({"id":"temp-1","unit":"celsius","currentValue":43.1,"timestamp":"2024-03-15T14:30:05.25Z"})");
  EXPECT_EQ(PlantTopic("twin-2024-001", "temp-1"), "twins/twin-2024-001/sensors/temp-1");
}

TEST(PlantSignalTest, WarmsUp) {
  PlantSignal signal("temperature", 42.3, 1);
  const double cold = signal.At(0);
  double warm = 0;
  for (int tenth = 1; tenth <= 600; ++tenth) warm = signal.At(tenth * 0.1);
  EXPECT_NEAR(cold, 34.3, 0.5);
  EXPECT_NEAR(warm, 42.3, 5);
}

TEST(PlantSignalTest, GoesInStepsOfATenth) {
  for (const char* type : {"temperature", "position", "pressure"}) {
    PlantSignal signal(type, 45.2, 7);
    for (int i = 0; i < 100; ++i) {
      const double value = signal.At(i * 0.02);
      EXPECT_EQ(value, std::round(value * 10) / 10) << type;
    }
  }
}

TEST(PlantSignalTest, IsReproducible) {
  PlantSignal first("pressure", 1200, 3);
  PlantSignal second("pressure", 1200, 3);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(first.At(i), second.At(i));
}

}  // namespace
}  // namespace mvmd
